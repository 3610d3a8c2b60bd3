"""Interleaved timing: all contenders in turn, several rounds, medians."""

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"

Step = Callable[[], object]


def milliseconds(
    contenders: Mapping[str, Step], rounds: int = 5, seconds: float = 0.5
) -> dict[str, float]:
    """Median time of a call of each contender, in milliseconds.

    A round gives each contender about ``seconds`` in turn, so that a slow minute of the machine
    hits all of them; what counts is the median of the rounds' medians.
    """
    for step in contenders.values():
        step()  # compile, fill caches
    medians: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, step in contenders.items():
            times: list[float] = []
            while sum(times) < seconds and len(times) < 2000:
                start = time.perf_counter()
                step()
                times.append(time.perf_counter() - start)
            medians[name].append(statistics.median(times))
    return {name: 1e3 * statistics.median(values) for name, values in medians.items()}


def save(name: str, title: str, rows: list[dict[str, Any]]) -> str:
    """Writes ``results/NAME.json`` and ``NAME.md``, and returns the Markdown table."""
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    content = {"title": title, **machine, "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    columns = list(rows[0])
    lines = [f"### {title}", "", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(_text(row[column]) for column in columns)} |" for row in rows]
    table = "\n".join(lines) + "\n"
    (RESULTS / f"{name}.md").write_text(table, encoding="utf-8")
    return table


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
