"""Residual blocks of spiking neurons, with shortcuts for currents or for spikes."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from bitspike import layer
from bitspike.models._build import MakeNorm

Make = Callable[[], nn.Module]
Joint = Callable[[Tensor, Tensor], Tensor]

Sizes = tuple[int, int, int, int, int, int]
"""Of a convolution: channels in and out, kernel, stride, dilation, groups."""

# How a SEW block joins the spikes of its shortcut, x, with those of its last neurons, y.
JOINTS: dict[str, Joint] = {
    "ADD": lambda x, y: x + y,
    "AND": lambda x, y: x * y,
    "IAND": lambda x, y: x * (1.0 - y),
}


class Block(nn.Module):
    """A residual block: convolutions ``conv1``, ``bn1``, ``sn1``, ``conv2``, ... and a shortcut.

    Without a joint (spiking ResNet) the shortcut is added to the currents before the last
    neurons. With a joint (SEW ResNet) the shortcut is spikes, joined with those of the last
    neurons.
    """

    expansion: ClassVar[int]
    first_is_x: ClassVar[bool]  # which of the two is x in the joint: SpikingJelly's blocks differ

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int,
        downsample: nn.Module | None,
        groups: int,
        base_width: int,
        dilation: int,
        cnf: str | None,
        norm: MakeNorm,
        make: Make,
    ) -> None:
        super().__init__()
        sizes = self._sizes(inplanes, planes, stride, dilation, groups, base_width)
        self.depth = len(sizes)
        for i, (inside, out, kernel, stride, dilation, groups) in enumerate(sizes, 1):
            padding = dilation if kernel == 3 else 0
            conv = layer.Conv2d(inside, out, kernel, stride, padding, dilation, groups, bias=False)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", norm(out))
            self.add_module(f"sn{i}", make())
        self.downsample = downsample
        self.cnf = cnf
        if cnf is not None and downsample is not None:
            self.downsample_sn = make()

    @abstractmethod
    def _sizes(
        self, inplanes: int, planes: int, stride: int, dilation: int, groups: int, base_width: int
    ) -> list[Sizes]:
        """Return the sizes of the convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        """Run currents or spikes ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""
        y, shortcut = x, x
        if self.downsample is not None:
            shortcut = self.downsample(x)
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i == self.depth and self.cnf is None:
                y = y + shortcut
            y = getattr(self, f"sn{i}")(y)
        if self.cnf is None:
            return y
        if self.downsample is not None:
            shortcut = self.downsample_sn(shortcut)
        return JOINTS[self.cnf](*((shortcut, y) if self.first_is_x else (y, shortcut)))

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return "" if self.cnf is None else f"cnf={self.cnf}"


class BasicBlock(Block):
    """Two convolutions of 3 x 3."""

    expansion = 1
    first_is_x = True

    def _sizes(
        self, inplanes: int, planes: int, stride: int, dilation: int, groups: int, base_width: int
    ) -> list[Sizes]:
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError(
                "blocks of two convolutions have groups=1, width_per_group=64 and no dilation, but "
                f"got {groups}, {base_width} and dilation {dilation}; take a network of 50 layers "
                "or more"
            )
        return [(inplanes, planes, 3, stride, 1, 1), (planes, planes, 3, 1, 1, 1)]


class Bottleneck(Block):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1; the second has the stride (ResNet 1.5)."""

    expansion = 4
    first_is_x = False

    def _sizes(
        self, inplanes: int, planes: int, stride: int, dilation: int, groups: int, base_width: int
    ) -> list[Sizes]:
        width = int(planes * (base_width / 64.0)) * groups
        return [
            (inplanes, width, 1, 1, 1, 1),
            (width, width, 3, stride, dilation, groups),
            (width, planes * self.expansion, 1, 1, 1, 1),
        ]
