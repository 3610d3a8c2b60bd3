"""Run the tutorial program on a small part of MNIST, here or elsewhere, and read what it leaves."""

import csv
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.processes import Finished, Process

from bitspike import kernels, visualizing
from bitspike.datasets import ImageDataset
from bitspike.examples import lif_fc_mnist
from bitspike.examples.lif_fc_mnist import Options
from bitspike.training import load_checkpoint, save_checkpoint

State = dict[str, Any]
SMALL = ["-T", "4", "-b", "32", "-limit", "320", "-lr", "0.01", "-j", "0"]  # 10 batches an epoch
LARGEST_LIMIT = 400  # training images that a process of its own may use
TEST_IMAGES = 600  # 3 batches of evaluation
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "COLUMNS": "300"}
BY_THE_CLOCK = {"train_images_per_s", "seconds"}

# Reads the data that a test hands to a process.
READ = """
import pickle
from bitspike.examples import lif_fc_mnist
train, test = pickle.loads(data)
lif_fc_mnist.load_data = lambda options: (train.head(options.limit), test)
"""
# What a process of its own runs; %s is what a test changes in the program.
DRIVER = f"""
import io, os, signal, sys
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from bitspike import training, visualizing
from bitspike.examples import lif_fc_mnist as program
from bitspike.training import Precision

def send(name):
    os.kill(os.getpid(), getattr(signal, name))

whole = program.load_data
def load_data(options):
    train, test = whole(options)
    return train, test.head({TEST_IMAGES})
program.load_data = load_data
def tiny_picture(fig, path):
    Image.new("RGB", (1, 1)).save(path)
visualizing.save = tiny_picture
%s
sys.exit(program.main(sys.argv[1:]))
"""


class Program:
    """Runs ``lif_fc_mnist`` on a backend."""

    def __init__(self, train: ImageDataset, test: ImageDataset, backend: str) -> None:
        self._train, self._test = train, test.head(TEST_IMAGES)
        self._backend = backend
        self._environment = {**ENVIRONMENT, "BITSPIKE_BACKEND": backend}

    def load_data(self, options: Options) -> tuple[ImageDataset, ImageDataset]:
        """The data of its runs."""
        return self._train.head(options.limit or len(self._train)), self._test

    def here(self, *argv: str | Path, threads: int = 1) -> int:
        """In this process, on 600 test images, with pictures of one pixel; the exit code.

        Drawing takes ten times as long as a small run: it is tested once, in ``test_outputs``.
        The network is too small to be faster with more threads, and the machine may be shared.
        """
        _wait_for_a_new_second(argv)
        with (
            pytest.MonkeyPatch.context() as patch,
            _torch_threads(threads),
            kernels.use_backend(self._backend),
        ):
            patch.setattr(lif_fc_mnist, "load_data", self.load_data)
            patch.setattr(visualizing, "save", tiny_picture)
            return lif_fc_mnist.main([str(arg) for arg in argv])

    @staticmethod
    def load(path: Path) -> State:
        """A checkpoint, whole."""
        return load_checkpoint(path, lif_fc_mnist.PROGRAM)

    @staticmethod
    def save(path: Path, state: State) -> None:
        """Writes a checkpoint as the program does."""
        save_checkpoint(path, lif_fc_mnist.PROGRAM, state)

    @staticmethod
    def wait(run: "Run") -> None:
        """Waits until a new event file's name would differ from those that are there."""
        stamps = [path.name.split(".")[3] for path in run.folder.glob("events.*")]
        while str(int(time.time())) in stamps:
            time.sleep(0.02)

    @staticmethod
    def only(out_dir: Path) -> "Run":
        """The one run in a folder."""
        (folder,) = out_dir.iterdir()
        return Run(folder)

    def start(self, *argv: str | Path, change: str = "") -> "Process":
        """Begin the program in a process of its own, with ``change`` made to it."""
        _wait_for_a_new_second(argv)
        data = pickle.dumps((self._train.head(LARGEST_LIMIT), self._test))
        return Process(
            READ + DRIVER % change, *argv, names={"data": data}, environment=self._environment
        )

    def apart(self, *argv: str | Path, change: str = "") -> Finished:
        """Run the program in a process of its own, with ``change`` made to it."""
        return self.start(*argv, change=change).wait()

    def fresh(self, *argv: str | Path, small: bool = False) -> Finished:
        """Run the program as a user does, in a new interpreter; ``small``: on 600 test images."""
        _wait_for_a_new_second(argv)
        how = ["-c", DRIVER % ""] if small else ["-m", "bitspike.examples.lif_fc_mnist"]
        done = subprocess.run(
            [sys.executable, "-W", "error", *how, *argv],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self._environment},
        )
        return Finished(done.returncode, done.stdout, done.stderr)


@contextmanager
def _torch_threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    yield
    torch.set_num_threads(before)


def _wait_for_a_new_second(argv: tuple[str | Path, ...]) -> None:
    """TensorBoard reads the event files of a folder in the order of the seconds in their names."""
    if "-resume" in argv:
        Program.wait(Run(Path(argv[argv.index("-resume") + 1]).parent))


@dataclass(frozen=True)
class Run:
    """The folder of a run, read."""

    folder: Path

    @property
    def latest(self) -> Path:
        return self.folder / "checkpoint_latest.pth"

    @property
    def best(self) -> Path:
        return self.folder / "checkpoint_max.pth"

    def state(self, path: Path | None = None) -> State:
        """A checkpoint, without what depends on the clock."""
        state: State = torch.load(path or self.latest, weights_only=True)
        state["history"] = [_without_clock(row) for row in state["history"]]
        return state

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of ``metrics.csv``, without what depends on the clock."""
        with (self.folder / "metrics.csv").open(newline="") as file:
            rows = [_without_clock(row) for row in csv.DictReader(file)]
        return [{name: float(value) for name, value in row.items()} for row in rows]

    def scalars(self) -> dict[str, list[tuple[int, float]]]:
        """TensorBoard's (step, value) by tag, without what depends on the clock."""
        events = self.events()
        tags = set(events.Tags()["scalars"]) - BY_THE_CLOCK
        return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in sorted(tags)}

    def events(self) -> EventAccumulator:
        """All of TensorBoard's entries."""
        events = EventAccumulator(str(self.folder))
        events.Reload()
        return events

    def assert_same_checkpoints_as(self, other: "Run") -> None:
        """Weights, optimizer, random states and history are the same, bit for bit."""
        assert differences(self.state(), other.state()) == []
        assert differences(self.state(self.best), other.state(other.best)) == []

    def assert_same_as(self, other: "Run") -> None:
        """Everything that a run leaves is the same, bit for bit."""
        self.assert_same_checkpoints_as(other)
        assert self.metrics() == other.metrics()
        assert self.scalars() == other.scalars()
        for array in ("v_t_array.npy", "s_t_array.npy"):
            assert np.array_equal(np.load(self.folder / array), np.load(other.folder / array))


def _without_clock(row: Mapping[str, Any]) -> dict[str, Any]:
    assert row.keys() > BY_THE_CLOCK
    return {name: value for name, value in row.items() if name not in BY_THE_CLOCK}


def differences(a: Any, b: Any, at: str = "") -> list[str]:
    """Where two checkpoints differ in structure, type, dtype or bits."""
    if type(a) is not type(b):
        return [f"{at}: {type(a).__name__} and {type(b).__name__}"]
    if isinstance(a, torch.Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape
        return [] if same and torch.equal(a, b) else [at]
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [f"{at}: {a.keys() ^ b.keys()}"]
        return [line for key in a for line in differences(a[key], b[key], f"{at}.{key}")]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [f"{at}: {len(a)} and {len(b)} elements"]
        return [line for i in range(len(a)) for line in differences(a[i], b[i], f"{at}[{i}]")]
    return [] if a == b else [f"{at}: {a} and {b}"]


def tiny_picture(fig: Figure, path: Path) -> None:
    """Write a picture of one pixel instead of a figure: drawing takes long."""
    Image.new("RGB", (1, 1)).save(path)
    plt.close(fig)
