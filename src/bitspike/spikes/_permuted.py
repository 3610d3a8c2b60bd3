"""The layout of spikes whose features lie in another order than they are named."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from bitspike.spikes._bits import reorder_bits
from bitspike.spikes._layout import Layout, Rows


@lru_cache(maxsize=64)
def _targets(features: tuple[int, ...], order: tuple[int, ...]) -> Tensor:
    """Where each stored feature stands among the logical ones, int32."""
    inverse = tuple(order.index(axis) for axis in range(len(order)))
    size = int(torch.Size(features).numel())
    with torch.inference_mode(False):  # it is kept for calls outside, too
        logical = torch.arange(size, dtype=torch.int32, device="cpu")
        return logical.view([features[axis] for axis in order]).permute(inverse).reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Permuted:
    """`Rows` with permuted features: channels last ``(H, W, C)``, named ``(C, H, W)``.

    Attributes:
        base: the spikes as they lie in memory.
        order: the axis of ``base.features`` that each logical feature axis is.
    """

    base: Rows
    order: tuple[int, ...]

    @property
    def features(self) -> tuple[int, ...]:
        """The logical features."""
        return tuple(self.base.features[axis] for axis in self.order)

    @property
    def shape(self) -> torch.Size:
        """The logical shape."""
        return torch.Size([*self.base.lead, *self.features])

    @property
    def device(self) -> torch.device:
        """Where the words are."""
        return self.base.device

    def rows(self) -> Rows:
        """The same spikes with their bits in logical order."""
        target = _targets(self.base.features, self.order)
        return Rows(reorder_bits(self.base.words, self.base.size, target), self.features)

    def to(self, device: torch.device, non_blocking: bool) -> "Permuted":
        """The same spikes on another device."""
        return Permuted(self.base.to(device, non_blocking), self.order)

    def clone(self) -> "Permuted":
        """The same spikes in memory of their own."""
        return Permuted(self.base.clone(), self.order)

    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.base.nbytes()

    def view(self, shape: tuple[int, ...]) -> "Permuted | Rows | None":
        """The same spikes under another logical shape, see `Rows.view`."""
        lead = len(shape) - len(self.order)
        if lead >= 0 and tuple(shape[lead:]) == self.features:
            words = self.base.words.reshape(*shape[:lead], self.base.words.shape[-1])
            return Permuted(Rows(words, self.base.features), self.order)
        return self.rows().view(shape)


def channels_last(rows: Rows) -> Permuted:
    """Rows of features ``(H, W, C)`` under the name ``(C, H, W)``."""
    axes = len(rows.features)
    return Permuted(rows, (axes - 1, *range(axes - 1)))


def as_channels_last(layout: Layout, axes: int) -> Rows | None:
    """Rows of features ``(H, W, C)`` of spikes whose last ``axes`` are ``(C, H, W)``.

    None if words hold other axes than these.
    """
    if isinstance(layout, Permuted) and layout.order == (axes - 1, *range(axes - 1)):
        return layout.base
    rows = layout.rows()
    if len(rows.features) != axes:
        return None
    C, *plane = rows.features
    if C == 1:
        return Rows(rows.words, (*plane, C))
    target = _targets(rows.features, (*range(1, axes), 0))
    return Rows(reorder_bits(rows.words, rows.size, target), (*plane, C))
