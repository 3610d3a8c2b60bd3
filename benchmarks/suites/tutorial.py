"""The tutorial: a step of all libraries, and the time to 92 % on real MNIST."""

import csv
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks._data import mnist
from benchmarks._measure import Row, Settings
from benchmarks._results import save
from benchmarks._steps import learn
from benchmarks.libraries import Network, build
from benchmarks.suites.networks import TUTORIAL, measure, prepare
from bitspike.datasets import Batches

PROGRAM = "bitspike.examples.lif_fc_mnist"
TARGET = 0.92
EPOCHS = 8  # at most, to reach the target
SAME_ACCURACY = 0.01
NOTE = (
    "bitspike: the program, from its start until the end of the epoch that reached the target, "
    "evaluations included. SpikingJelly: the seconds of one epoch, trained and evaluated in its "
    "faster step mode on batches from memory, times the epochs that bitspike needed: "
    "extrapolated. That the accuracies after one epoch agree was checked."
)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch use this number of threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_program(options: list[str]) -> tuple[list[dict[str, float]], float]:
    """Return the rows of ``metrics.csv`` and the seconds of the whole run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", PROGRAM, "-out-dir", folder, *options]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        seconds = time.perf_counter() - start
        (metrics,) = Path(folder).glob("*/metrics.csv")
        with metrics.open(encoding="utf-8", newline="") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    return rows, seconds


def one_epoch(network: Network, limit: int) -> tuple[float, float]:
    """Train for an epoch of the tutorial; return test accuracy and seconds."""
    torch.manual_seed(0)
    start = time.perf_counter()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    network.train()
    for image, label in Batches(mnist().head(limit), TUTORIAL.batch, shuffle=True):
        learn(optimizer, network.rate(image, TUTORIAL.T), label)
    network.train(False)
    right = 0
    with torch.no_grad():
        for image, label in Batches(mnist(train=False), 250):
            right += int((network.rate(image, TUTORIAL.T).argmax(1) == label).sum())
    return right / len(mnist(train=False)), time.perf_counter() - start


def time_to_target(settings: Settings, faster: str) -> list[Row]:
    """Compare the program with SpikingJelly in its faster step mode, or "" without it."""
    limit = settings.pick(len(mnist()), 1920)
    epochs = settings.pick(EPOCHS, 2)
    run_program(["-epochs", "0"])  # compiles what is not in the cache
    rows, wall = run_program(["-epochs", str(epochs), "-limit", str(limit)])
    reached = [int(row["epoch"]) for row in rows if row["test_acc"] >= TARGET]
    needed = reached[0] if reached else epochs
    if not reached and not settings.quick:
        raise AssertionError(f"{TARGET:.0%} was not reached in {epochs} epochs")
    seconds = wall - sum(row["seconds"] for row in rows[needed:])
    ours: Row = {"program": "bitspike", "epochs": needed, "seconds": seconds}
    ours |= {"first epoch's accuracy": rows[0]["test_acc"], "extrapolated": "no"}
    if not faster:
        return [ours]
    accuracy, epoch = one_epoch(build(TUTORIAL.parts, faster)[faster], limit)
    if not math.isclose(accuracy, rows[0]["test_acc"], abs_tol=settings.pick(SAME_ACCURACY, 1.0)):
        raise AssertionError(f"accuracy after one epoch: {rows[0]['test_acc']} and {accuracy}")
    theirs: Row = {"program": faster, "epochs": needed, "seconds": epoch * needed}
    theirs |= {"first epoch's accuracy": accuracy, "extrapolated": f"{epoch:.3g} s an epoch"}
    return [ours, theirs | {"ratio": epoch * needed / seconds}]


def run(settings: Settings) -> None:
    """Measure a step with one thread and with all, then the time to the target."""
    rows: list[Row] = []
    networks = prepare(TUTORIAL)
    for number in dict.fromkeys((1, torch.get_num_threads())):
        with threads(number):
            rows += measure(TUTORIAL, networks, settings)
    for row in rows:
        for library in ("bitspike", "SpikingJelly"):
            times = [row[name] for name in columns(row, library)]
            if times:
                row[f"{library}, images/s"] = 1e3 * TUTORIAL.batch / min(times)
    save(settings, "tutorial", "The tutorial (784-10, T = 100, batch 64), one step", rows)
    training = rows[-2]
    column = min(columns(training, "SpikingJelly"), key=lambda name: training[name], default="")
    found = time_to_target(settings, column.removesuffix(", ms"))
    save(settings, "accuracy", f"Time to {TARGET:.0%} on MNIST", found, NOTE)


def columns(row: Row, library: str) -> list[str]:
    """Return the names of the columns with a library's times."""
    return [name for name in row if name.startswith(library) and name.endswith(", ms")]
