"""The interface of a network, for all libraries."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.libraries._parts import Part


class Network(ABC):
    """A network of one library, built and called in that library's documented way.

    Args:
        parts: what it consists of, in order. The same seed gives the same weights in all.
    """

    input_scale = 1.0
    """Factor by which the input of a bare LIF layer is multiplied to have the same effect."""

    def __init__(self, parts: list[Part]) -> None:
        torch.manual_seed(0)
        self.layers = [self.neuron() if p.name == "LIF" else self.stateless(p) for p in parts]
        self.is_neuron = [part.name == "LIF" for part in parts]

    @abstractmethod
    def neuron(self) -> nn.Module:
        """Return a layer of LIF neurons."""

    def stateless(self, part: Part) -> nn.Module:
        """Return any other layer."""
        module: nn.Module = getattr(nn, part.name)(*part.arguments, **part.options)
        return module

    @abstractmethod
    def encode(self, image: Tensor, T: int) -> Tensor:
        """Return Poisson spikes ``[T, B, ...]`` of images in [0, 1]."""

    @abstractmethod
    def spikes(self, x_seq: Tensor) -> Tensor:
        """Return output spikes ``[T, B, N]`` of an input sequence ``[T, B, ...]``, from rest."""

    def rate(self, image: Tensor, T: int, coding: str = "poisson") -> Tensor:
        """Return firing rates ``[B, N]`` of images, Poisson-coded or repeated (``direct``)."""
        held = coding == "direct"
        x_seq = image.expand(T, *image.shape) if held else self.encode(image, T)
        return self.rate_of(x_seq)

    def rate_of(self, x_seq: Tensor) -> Tensor:
        """Return firing rates ``[B, N]`` of an input sequence."""
        return self.spikes(x_seq).mean(0)

    def parameters(self) -> list[Tensor]:
        """Return the trained parameters; neurons have none."""
        return [p for layer in self._stateless() for p in layer.parameters()]

    def tensors(self) -> list[Tensor]:
        """Return parameters and buffers of the stateless layers, in order."""
        return [x for layer in self._stateless() for x in layer.state_dict().values()]

    @torch.no_grad()
    def copy_from(self, other: "Network") -> None:
        """Copy the weights of ``other``."""
        for own, its in zip(self.tensors(), other.tensors(), strict=True):
            own.copy_(its)

    def train(self, on: bool = True) -> None:
        """Set training or evaluation mode."""
        for layer in self.layers:
            layer.train(on)

    def channels_last(self) -> None:
        """Store the weights of convolutions in the channels-last layout."""
        for layer in self.layers:
            layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _stateless(self) -> Iterator[nn.Module]:
        for layer, is_neuron in zip(self.layers, self.is_neuron, strict=True):
            if not is_neuron:
                yield layer
