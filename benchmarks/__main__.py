"""Runs the benchmarks: ``python -m benchmarks [fully_connected] [time_loop]``."""

import sys

from benchmarks import _measure, fully_connected, time_loop

SUITES = {"fully_connected": fully_connected.run, "time_loop": time_loop.run}


def main() -> None:
    """Runs the suites that are named, or all, and writes ``results/README.md``."""
    names = sys.argv[1:] or list(SUITES)
    for name in names:
        for table in SUITES[name]():
            print(table)
            title = table.split("\n")[0].removeprefix("### ").split(" (")[0]
            slug = "".join(c if c.isalnum() else "_" for c in title.lower())
            (_measure.RESULTS / f"{slug}.md").write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
