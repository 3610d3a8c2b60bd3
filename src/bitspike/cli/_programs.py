"""The programs behind the models: their modules, options and trained networks."""

import warnings
from collections import OrderedDict
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.datasets import MNIST, DatasetNote, FashionMNIST, ImageDataset
from bitspike.examples import _options
from bitspike.examples._pictures import Answer, votes
from bitspike.training import (
    CheckpointError,
    load_checkpoint,
    random_state,
    restore_random_state,
)


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
        try:
            options = _options.adopt(program.options_class(), frozenset(), state["options"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"checkpoint {path} holds options of another version") from error
        self.options = replace(options, device=device, data_dir=data_dir)
        torch.set_num_threads(self.options.threads)
        self.trainer = self._module.Trainer(self.options, _options.choose_device(self.options))
        try:
            self.trainer.net.load_state_dict(state["net"])
        except (KeyError, RuntimeError) as error:
            found = {name: tuple(value.shape) for name, value in state.get("net", {}).items()}
            raise CheckpointError(f"checkpoint {path} holds another network: {found}") from error
        self._random = random_state()

    @property
    def _kind(self) -> type[ImageDataset]:
        return MNIST if self.options.dataset == "mnist" else FashionMNIST

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
