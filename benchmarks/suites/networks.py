"""Networks on MNIST images: training and inference of all libraries.

The tutorial's network is one of them; `benchmarks.suites.tutorial` adds the time to an accuracy.
"""

from dataclasses import dataclass
from functools import partial

import torch

from benchmarks._data import batch
from benchmarks._measure import Row, Settings, row_of, time_all
from benchmarks._results import save
from benchmarks._steps import Rate, check_same_spikes, inference_step, train_step, warm_up
from benchmarks.libraries import Network, Part, build, convolutional, fully_connected


@dataclass(frozen=True)
class Case:
    """A network and its input."""

    name: str
    parts: list[Part]
    T: int
    batch: int
    coding: str = "poisson"
    warm_up: int = 100  # training steps


WARM_UP_T = {"poisson": 25, "direct": 4}


TUTORIAL = Case("784-10", fully_connected(784, 10), 100, 64)
HIDDEN = [
    Case("784-256-10", fully_connected(784, 256, 10), 25, 128),
    Case("784-800-10", fully_connected(784, 800, 10), 100, 64),
]
CONVOLUTIONAL = [
    Case("conv 1-32-32-10", convolutional(), T, 64, "direct", warm_up=60) for T in (4, 16)
]


def prepare(case: Case, *names: str) -> dict[str, Network]:
    """Return the networks with the same trained weights, after checking their spikes."""
    networks = build(case.parts, *names)
    warm_up(networks, WARM_UP_T[case.coding], case.batch, case.warm_up, case.coding)
    image, _ = batch(case.batch)
    x_seq = image.expand(case.T, *image.shape)
    if case.coding == "poisson":
        x_seq = (torch.rand(x_seq.shape) < x_seq).float()
    check_same_spikes(networks, x_seq)
    return networks


def measure(case: Case, networks: dict[str, Network], settings: Settings) -> list[Row]:
    """Return a row for training and a row for inference."""
    image, label = batch(case.batch)
    rows = []
    for what in ("training", "inference"):
        steps = {}
        for name, network in networks.items():
            rate: Rate = partial(network.rate, T=case.T, coding=case.coding)
            steps[name] = (
                train_step(network, rate, image, label)
                if what == "training"
                else inference_step(network, rate, image)
            )
        row: Row = {"step": what, "network": case.name, "T": case.T, "batch": case.batch}
        row["threads"] = torch.get_num_threads()
        rows.append(row | row_of(time_all(steps, settings)))
    return rows


def run(settings: Settings) -> None:
    """Measure fully connected networks with a hidden layer."""
    rows = [row for c in HIDDEN for row in measure(c, prepare(c), settings)]
    save(settings, "networks", "Networks with a hidden layer, one step", rows)
