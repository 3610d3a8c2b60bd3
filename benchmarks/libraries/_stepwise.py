"""bitspike and SpikingJelly: one interface, two step modes."""

import math
from importlib import import_module
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmarks.libraries._network import Network
from benchmarks.libraries._parts import Part
from bitspike.layer import FusedSequential


class Block(nn.Sequential):
    """Layers up to a LIF layer, the unit of memory optimisers."""


class Stepwise(Network):
    """A network in single-step (``s``) or multi-step (``m``) mode."""

    package: ClassVar[str]
    block: ClassVar[type[nn.Sequential]] = Block

    def __init__(self, parts: list[Part], mode: str = "m") -> None:
        super().__init__(parts)
        blocks, block = [], list[nn.Module]()
        for layer, is_neuron in zip(self.layers, self.is_neuron, strict=True):
            block.append(layer)
            if is_neuron:
                blocks.append(self.block(*block))
                block = []
        self.module = nn.Sequential(*blocks)
        self.mode = mode
        self.functional = self._part("functional")
        self.functional.set_step_mode(self.module, mode)
        self.encoder = self._part("encoding").PoissonEncoder(step_mode=mode)

    def _part(self, name: str) -> Any:
        return import_module(f"{self.package}.{name}")

    def neuron(self) -> nn.Module:
        """Return the LIF; tau 2 is its default and written out for clarity."""
        atan = self._part("surrogate").ATan()
        lif: nn.Module = self._part("neuron").LIFNode(tau=2.0, surrogate_function=atan)
        return lif

    def stateless(self, part: Part) -> nn.Module:
        """Return the library's own class, which knows step modes."""
        module: nn.Module = getattr(self._part("layer"), part.name)(*part.arguments, **part.options)
        return module

    def encode(self, image: Tensor, T: int) -> Tensor:
        """Encode all T steps at once."""
        x_seq: Tensor = self.encoder(image.expand(T, *image.shape))
        return x_seq

    def spikes(self, x_seq: Tensor) -> Tensor:
        """Run in one call, or step by step."""
        if self.mode == "m":
            s_seq: Tensor = self.module(x_seq)
        else:
            s_seq = torch.stack([self.module(x) for x in x_seq.unbind(0)])
        self.functional.reset_net(self.module)
        return s_seq

    def rate(self, image: Tensor, T: int, coding: str = "poisson") -> Tensor:
        """Run step by step as in the textbook, and keep only the sum."""
        if self.mode == "m":
            return super().rate(image, T, coding)
        total: Any = 0.0
        for _ in range(T):
            total = total + self.module(image if coding == "direct" else self.encoder(image))
        self.functional.reset_net(self.module)
        mean: Tensor = total / T
        return mean


class Bitspike(Stepwise):
    """bitspike."""

    package = "bitspike"
    block = FusedSequential

    def __init__(self, parts: list[Part], mode: str = "m", backend: str = "auto") -> None:
        super().__init__(parts, mode)
        self.functional.set_backend(self.module, backend)
        self.encoder.backend = backend

    def save_memory(self, T: int) -> None:
        """Keep only the spikes between layers, and cut the sequence into about sqrt(T) parts."""
        self.functional.save_memory(self.module, chunks=round(math.sqrt(T)))


class SpikingJelly(Stepwise):
    """SpikingJelly 2.0; on a CPU it has the backend torch only."""

    package = "spikingjelly.activation_based"

    def save_memory(self, image: Tensor, T: int, coding: str) -> None:
        """Use level 1 of ``memopt``, the highest without CUDA: checkpoints and bits."""
        x_seq = image.expand(T, *image.shape) if coding == "direct" else self.encode(image, T)
        memopt = self._part("memopt")
        memopt.optimize_memory(self.module, Block, lambda net: net(x_seq), level=1)
        self.functional.reset_net(self.module)
