"""Results as JSON files and, for readers, as Markdown tables."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks._measure import Row, Settings

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("torch", "numba", "spikingjelly", "snntorch", "norse", "sinabs")
Result = dict[str, Any]


def save(settings: Settings, name: str, title: str, rows: list[Row], note: str = "") -> None:
    """Write ``NAME.json`` and ``NAME.md`` and print the table."""
    settings.out.mkdir(parents=True, exist_ok=True)
    result: Result = {"title": title, "note": note, **machine(), "rounds": settings.rounds}
    result["quick"] = settings.quick
    result["rows"] = rows
    path = settings.out / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = f"### {title}\n\n{table(rows)}"
    if note:
        text += f"\n{note}\n"
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, flush=True)


def load(name: str, folder: Path = FOLDER) -> Result | None:
    """Return the results that `save` wrote; None if there are none."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    result: Result = json.loads(path.read_text(encoding="utf-8"))
    return result


def machine() -> Row:
    """Return machine and versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(rows: list[Row]) -> str:
    """Return a Markdown table; a row may lack columns of other rows."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(text(row.get(column)) for column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


def text(value: object) -> str:
    """Format a value for a table: three digits, no power of ten."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
