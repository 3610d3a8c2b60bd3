"""The networks that the page offers: read from checkpoints, or trained in seconds."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from bitspike import encoding, neuron, training
from bitspike.datasets import ImageDataset
from bitspike.examples import lif_fc_mnist as tutorial
from bitspike.training import Answer, CheckpointError, RateMeter, Screen, TrainingState

PROGRAM = "playground"
RECIPE = tutorial.Options(T=50, lr=2e-3, epochs=1)  # faster than the tutorial's, and good enough


@dataclass(frozen=True)
class Model:
    """A trained network of the tutorial.

    Attributes:
        name: its name in the page's list.
        net: the network.
        options: the options that it was trained with.
    """

    name: str
    net: nn.Sequential
    options: tutorial.Options

    @classmethod
    def read(cls, path: Path, name: str) -> Self:
        """Read a checkpoint of the tutorial or of the playground, and check all of it.

        Raises:
            CheckpointError: the checkpoint is damaged, or another program's.
        """
        try:
            content = training.load_checkpoint(path, PROGRAM)
        except CheckpointError:
            content = training.load_checkpoint(path, tutorial.PROGRAM)
        required = ("T", "tau", "dataset")
        options, weights = training.read_network(
            path, content, tutorial.Options, required, tutorial.make_net
        )
        with torch.random.fork_rng(devices=[]):
            net = tutorial.make_net(options)
        net.load_state_dict(weights)
        return cls(name, net, options)

    def respond(self, image: Tensor, T: int, tau: float, v_threshold: float, seed: int) -> Answer:
        """Show the network an image ``[28, 28]`` for T steps. Call it in one thread at a time."""
        output = self.net[-1]
        assert isinstance(output, neuron.LIFNode)  # noqa: S101 -- `make_net` of the tutorial
        output.tau, output.v_threshold = tau, v_threshold
        encoder = encoding.PoissonEncoder("m", torch.Generator().manual_seed(seed))

        def forward(image: Tensor) -> tuple[Tensor, Tensor]:
            spikes = encoder(image.expand(T, *image.shape))
            return self.net(spikes), spikes

        return training.record_answer(self.net, image[None, None], forward)


def load_models(checkpoints: Sequence[Path]) -> list[Model]:
    """Read the networks of checkpoints and of folders of runs; without any, those in ``./logs``.

    In folders, checkpoints of other networks are left out.

    Raises:
        CheckpointError: a checkpoint is missing or unusable, or a folder holds no usable one.
    """
    if not checkpoints:
        return _read_folder(Path("logs")) if Path("logs").is_dir() else []
    models: list[Model] = []
    for place in checkpoints:
        here = _read_folder(place) if place.is_dir() else [Model.read(place, _name(place))]
        if not here:
            raise CheckpointError(f"{place} holds no checkpoint of the tutorial's network")
        models += here
    return models


def _read_folder(folder: Path) -> list[Model]:
    """Read the best checkpoint of each run in a folder, which may be a run's folder itself."""
    models: list[Model] = []
    for run in [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]:
        if path := training.find_checkpoint(run):
            with contextlib.suppress(CheckpointError):
                models.append(Model.read(path, _name(path)))
    return models


def _name(path: Path) -> str:
    return f"{path.absolute().parent.name}/{path.stem}"


class TrainingStoppedError(Exception):
    """The training of a network was asked to stop."""


class _ProgressScreen(Screen):
    """A screen that reports the share of the epoch that is over, in place of a bar."""

    def __init__(self, images: int, progress: Callable[[float], bool]) -> None:
        super().__init__(epochs=1)
        self._total, self._report = images, progress

    def update(self, meter: RateMeter) -> bool:
        """Report a batch, and raise `TrainingStoppedError` if training is to stop."""
        if not self._report(meter.images / self._total):
            raise TrainingStoppedError
        return False


def train(
    dataset: ImageDataset, path: Path, recipe: tutorial.Options, progress: Callable[[float], bool]
) -> None:
    """Train the tutorial's network for one epoch and write it to ``path``.

    Args:
        dataset: the images to learn, for example ``MNIST()``.
        path: the checkpoint; its folder is created.
        recipe: the options of the tutorial.
        progress: called with the share that is over after each batch; returns False to stop.

    Raises:
        TrainingStoppedError: ``progress`` returned False.
        OSError: the checkpoint cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        net = tutorial.make_net(recipe)
    device = torch.device("cpu")
    optimizer, precision = (
        tutorial.make_optimizer(recipe, net),
        training.Precision(device, amp=False),
    )
    options = recipe.trajectory()
    state = TrainingState(options, net, optimizer, precision, RateMeter(device))
    screen = _ProgressScreen(len(dataset), progress)
    tutorial.train_epoch(state, recipe, dataset, screen, training.StopRequest())
    training.save_checkpoint(path, PROGRAM, {"options": options, "net": net.state_dict()})
