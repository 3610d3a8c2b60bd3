"""Interleaved timing: all libraries in turn, several rounds, medians."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

X = TypeVar("X")
Step = Callable[[], object]
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How long to measure, and where to write the results."""

    out: Path
    rounds: int = 5
    seconds: float = 0.3  # for a library and round
    quick: bool = False  # shows that everything runs; the numbers mean nothing

    def pick(self, full: X, quick: X) -> X:
        """Return ``full``, or ``quick`` in a quick run."""
        return quick if self.quick else full


class Timing:
    """The medians of a library's rounds, in milliseconds."""

    def __init__(self, rounds: list[float]) -> None:
        self.rounds = rounds

    @property
    def ms(self) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.rounds)


def time_all(contenders: Mapping[str, Step], settings: Settings) -> dict[str, Timing]:
    """Measure the time of a call of each library.

    A round gives each contender about ``settings.seconds`` in turn, so that a slow minute of the
    machine hits all of them. What counts is the median of the rounds' medians.
    """
    for step in contenders.values():
        step()  # compile, fill caches
    medians: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(settings.rounds):
        for name, step in contenders.items():
            times: list[float] = []
            while sum(times) < settings.seconds and len(times) < 2000:
                start = time.perf_counter()
                step()
                times.append(time.perf_counter() - start)
            medians[name].append(1e3 * statistics.median(times))
    return {name: Timing(rounds) for name, rounds in medians.items()}


def row_of(times: Mapping[str, Timing]) -> Row:
    """Return a column for each library, and the columns of `ratio`."""
    row: Row = {f"{name}, ms": timing.ms for name, timing in times.items()}
    return row | ratio(times)


def ratio(times: Mapping[str, Timing]) -> Row:
    """Return how many times faster bitspike is than SpikingJelly's fastest mode, and the range.

    bitspike is the multi-step mode, in the faster memory layout.
    """
    ours = _fastest(times, ("bitspike", "bitspike channels-last"))
    theirs = _fastest(times, [name for name in times if name.startswith("SpikingJelly")])
    if ours is None or theirs is None:
        return {}
    rounds = [b / a for a, b in zip(ours.rounds, theirs.rounds, strict=True)]
    return {
        "ratio": theirs.ms / ours.ms,
        "ratio in the rounds": f"{min(rounds):.3g} to {max(rounds):.3g}",
    }


def _fastest(times: Mapping[str, Timing], names: Iterable[str]) -> Timing | None:
    measured = (times[name] for name in names if name in times)
    return min(measured, key=lambda timing: timing.ms, default=None)
