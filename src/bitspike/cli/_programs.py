"""The programs behind the models: their modules, options and trained networks."""

import warnings
from collections import OrderedDict
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.datasets import MNIST, DatasetNote, ImageDataset
from bitspike.examples._pictures import Answer, votes
from bitspike.examples._program import KINDS
from bitspike.training import (
    CheckpointError,
    _options,
    load_checkpoint,
    random_state,
    restore_random_state,
)
from bitspike.training._contents import of_checkpoint, plain, saved_network


@dataclass(frozen=True)
class Program:
    """A program of `bitspike.examples`, and the class of its options."""

    name: str
    options: str

    @property
    def module(self) -> ModuleType:
        """The program, imported."""
        return import_module(f"bitspike.examples.{self.name}")

    @property
    def options_class(self) -> type[Any]:
        """A dataclass of `_options.option` fields."""
        kind: type[Any] = getattr(self.module, self.options)
        return kind

    def load(self, path: Path) -> tuple[Any, dict[str, Any]]:
        """The options and the content of one of its checkpoints, wholly checked."""
        found: tuple[Any, dict[str, Any]] = self.module.load_state(
            path, self.options_class(), frozenset()
        )
        return found


PROGRAMS = {
    "mnist": Program("lif_fc_mnist", "Options"),
    "fashion": Program("conv_fashion_mnist", "ConvOptions"),
    "stdp": Program("stdp_mnist", "Options"),
}
# Whose networks can be rebuilt: by the name in their checkpoints.
CLASSIFIERS = {
    "lif_fc_mnist": PROGRAMS["mnist"],
    "conv_fashion_mnist": PROGRAMS["fashion"],
    "playground": PROGRAMS["mnist"],
}
# What the playground says of a network that it has trained.
PLAYGROUND_OPTIONS = ("T", "tau", "dataset")


def load(path: str) -> tuple[Any, dict[str, Any]]:
    """The options and the content of a checkpoint, checked against what its program builds.

    Of another program than ours nothing but the form can be checked; its options are None.

    Raises:
        CheckpointError: naming what is wrong with it.
    """
    state = load_checkpoint(path)
    if state["program"] == "playground":
        kind, module = PROGRAMS["mnist"].options_class, PROGRAMS["mnist"].module
        options, net = saved_network(path, state, kind, PLAYGROUND_OPTIONS, module.Trainer.make_net)
        return options, {**state, "net": net}
    for program in PROGRAMS.values():
        if program.name == state["program"]:
            return program.load(Path(path))
    with of_checkpoint(path):
        return None, plain(state)


class Trained:
    """The network of a checkpoint, with what its program does to use it.

    Args:
        path: of the checkpoint.
        device: where to compute; empty is the best there is.
        data_dir: folder of the data set; empty is the cache.

    Raises:
        CheckpointError: if it is no checkpoint of a classifier.
        OptionError: if there is no such device.
    """

    def __init__(self, path: str, device: str = "", data_dir: str = "") -> None:
        state = load_checkpoint(path)
        program = CLASSIFIERS.get(state["program"])
        if program is None:
            raise CheckpointError(
                f"checkpoint {path} was written by the program {state['program']!r}, whose network "
                f"cannot be rebuilt here; there are {', '.join(CLASSIFIERS)}"
            )
        self.name, self._module = state["program"], program.module
        options, state = load(path)
        self.options = replace(options, device=device, data_dir=data_dir)
        self.options.check()
        torch.set_num_threads(self.options.threads)
        self.trainer = self._module.Trainer(self.options, _options.choose_device(self.options))
        self.trainer.net.load_state_dict(state["net"])
        self._random = random_state()

    @property
    def _kind(self) -> type[ImageDataset]:
        return KINDS[self.options.dataset]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the ten classes."""
        return self._kind.entry.classes

    @property
    def draws_digits(self) -> bool:
        """Whether what it classifies is centred by its ink."""
        return self._kind is MNIST

    def test_set(self) -> ImageDataset:
        """The test images, fetched if they are not there."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DatasetNote)
            return self._kind(self.options.data_dir or None, train=False)

    def respond(self, image: Tensor) -> Answer:
        """What the network does with one image ``[1, 1, 28, 28]``.

        It does not depend on the images before: the random numbers start anew, as in a call of
        the program with ``-predict``.
        """
        restore_random_state(self._random)
        answer: Answer = self._module.respond(self.trainer, image)
        return answer

    def watched(self, image: Tensor) -> tuple[nn.Module, Tensor]:
        """The network from its first spikes or currents on, and those, ``[T, B, ...]``."""
        net, T = self.trainer.net.eval(), self.options.T
        image = image.to(self.trainer.device)
        if hasattr(net, "encode"):  # direct encoding: currents, the same at each step
            with torch.no_grad():
                current = net.encode(image)
            parts = OrderedDict(first=net.first, rest=net.rest)
            return nn.Sequential(parts).eval(), current.expand(T, *current.shape)
        return net, self.trainer.encoder(image.expand(T, *image.shape))

    def loss(self, spikes: Tensor, label: Tensor) -> Tensor:
        """The program's loss of output spikes ``[T, B, N]``."""
        value: Tensor = self.trainer.loss(votes(spikes.mean(0)), label)
        return value
