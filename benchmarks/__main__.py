"""Runs the benchmarks: ``python -m benchmarks [fully_connected] [time_loop]``."""

import sys

from benchmarks import fully_connected, time_loop

SUITES = {"fully_connected": fully_connected.run, "time_loop": time_loop.run}


def main() -> None:
    """Runs the suites that are named, or all; each writes into ``results``."""
    for name in sys.argv[1:] or SUITES:
        for table in SUITES[name]():
            print(table)


if __name__ == "__main__":
    main()
