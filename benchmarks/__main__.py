"""Run the benchmarks: ``python -m benchmarks [SUITE...] [--rounds N] [--quick]``."""

import argparse
import time
from importlib import import_module
from pathlib import Path

import torch

from benchmarks._measure import Settings
from benchmarks._results import FOLDER

SUITES = (
    "tutorial",
    "lif",
    "networks",
    "convolution",
    "memory",
    "growth",
    "events",
    "textbook",
    "seeds",
)
LONG = ("seeds",)  # only if named
QUICK = Path("build/benchmarks")


def main() -> None:
    """Run the named suites, or all except the long ones, and draw the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)}, or report"
    )
    parser.add_argument("--rounds", type=int, help="rounds whose median counts (default: 5)")
    parser.add_argument("--quick", action="store_true", help="prove that it runs; no real numbers")
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: the repository's)"
    )
    options = parser.parse_args()
    unknown = sorted(set(options.suites) - {*SUITES, "report"})
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds must be at least 1, but is {options.rounds}")
    settings = Settings(
        out=options.out or (QUICK if options.quick else FOLDER),
        rounds=options.rounds or (1 if options.quick else 5),
        seconds=0.02 if options.quick else 0.3,
        quick=options.quick,
    )
    print(f"threads: {torch.get_num_threads()}; results: {settings.out}\n", flush=True)
    for name in options.suites or [one for one in SUITES if one not in LONG]:
        if name != "report":
            start = time.perf_counter()
            import_module(f"benchmarks.suites.{name}").run(settings)
            print(f"({name} took {time.perf_counter() - start:.0f} s)\n", flush=True)
    if settings.out == FOLDER and not settings.quick:
        import_module("benchmarks._report").write()


if __name__ == "__main__":
    main()
