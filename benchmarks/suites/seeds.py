"""The tutorial over five seeds: the accuracy of the last epoch, mean and spread."""

import os
import statistics
from concurrent.futures import ThreadPoolExecutor

from benchmarks._measure import Row, Settings
from benchmarks._results import save
from benchmarks.suites.tutorial import run_program

SEEDS = range(5)
NOTE = (
    "The spread is the standard deviation over the seeds. The best epoch is chosen on the test "
    "set. As many programs ran at a time as there are cores, each on one thread."
)


def run(settings: Settings) -> None:
    """Train 100 epochs for each seed."""
    length = settings.pick(["-epochs", "100"], ["-epochs", "2", "-limit", "1920"])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        options = [["-seed", str(seed), "-threads", "1", *length] for seed in SEEDS]
        runs = list(pool.map(lambda given: run_program(given)[0], options))
    last = [100 * metrics[-1]["test_acc"] for metrics in runs]
    best = [100 * max(row["test_acc"] for row in metrics) for metrics in runs]
    rows: list[Row] = [
        {"seed": seed, "last epoch, %": f"{a:.2f}", "best epoch, %": f"{b:.2f}"}
        for seed, a, b in zip(SEEDS, last, best, strict=True)
    ]
    rows.append(_row("mean", statistics.mean(last), statistics.mean(best)))
    rows.append(_row("spread", statistics.stdev(last), statistics.stdev(best)))
    save(settings, "seeds", "The tutorial over five seeds, test accuracy", rows, NOTE)


def _row(what: str, last: float, best: float) -> Row:
    return {"seed": what, "last epoch, %": f"{last:.2f}", "best epoch, %": f"{best:.2f}"}
