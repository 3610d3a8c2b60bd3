"""How the spikes of a `SpikeTensor` lie in memory."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from torch import Tensor

from bitspike.spikes._words import check_words, pack_bits, reorder_bits, unpack_bits, word_count


class Layout(ABC):
    """Spikes in memory. A layout is never changed once it is made."""

    __slots__ = ()

    @property
    @abstractmethod
    def shape(self) -> torch.Size:
        """The logical shape."""

    @property
    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """The memory."""

    @abstractmethod
    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the same spikes with ``function`` of each of the `tensors`."""

    @abstractmethod
    def rows(self) -> "Rows":
        """Return the same spikes as `Rows`."""

    @abstractmethod
    def view(self, shape: tuple[int, ...]) -> "Layout | None":
        """Return the spikes in another logical shape; None if only a dense tensor can have it."""

    @property
    def device(self) -> torch.device:
        """Where the memory is."""
        return self.tensors[-1].device

    def to(self, device: torch.device, non_blocking: bool) -> "Layout":
        """Return the same spikes on another device."""
        return self.map(lambda x: x.to(device, non_blocking=non_blocking))

    def nbytes(self) -> int:
        """Return the bytes of memory."""
        return sum(x.numel() * x.itemsize for x in self.tensors)


@dataclass(frozen=True, slots=True, eq=False)
class Rows(Layout):
    """Features side by side in words of 64: what neurons emit.

    Attributes:
        words: int64 ``[*lead, W]``, see `pack_bits`.
        features: the logical shape's trailing axes that the words hold; ``lead`` are the others.
        counts: float32 ``[*lead[1:], *features]``, spikes over the first axis, if the kernel that
            made the words has counted them.
    """

    words: Tensor
    features: tuple[int, ...]
    counts: Tensor | None = None

    def __post_init__(self) -> None:
        check_words(self.words, self.size)

    @classmethod
    def pack(cls, dense: Tensor, lead: int) -> "Rows":
        """Return rows of a dense tensor whose first ``lead`` axes are not packed."""
        lead = min(lead, dense.ndim)
        flat = dense.reshape(*dense.shape[:lead], math.prod(dense.shape[lead:]))
        return cls(pack_bits(flat), tuple(dense.shape[lead:]))

    @property
    def lead(self) -> torch.Size:
        """The axes that are not packed."""
        return self.words.shape[:-1]

    @property
    def shape(self) -> torch.Size:
        """The logical shape."""
        return torch.Size([*self.lead, *self.features])

    @property
    def size(self) -> int:
        """Features in a row."""
        return math.prod(self.features)

    @property
    def tensors(self) -> tuple[Tensor]:
        """The words."""
        return (self.words,)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Rows":
        """Return rows with ``function(words)``."""
        return Rows(function(self.words), self.features)

    def rows(self) -> "Rows":
        """Return itself."""
        return self

    def matrix(self) -> Tensor:
        """Return the words as ``[R, W]``, contiguous."""
        return self.words.contiguous().view(-1, self.words.shape[-1])

    def dense(self, dtype: torch.dtype) -> Tensor:
        """Return the logical tensor, unpacked."""
        return unpack_bits(self.words, self.size, dtype).reshape(self.shape)

    def view(self, shape: tuple[int, ...]) -> "Rows | None":
        """Return the words in another logical shape, or None if a row would be cut or joined."""
        size, lead = 1, len(shape)
        while size < self.size and lead > 0:
            lead -= 1
            size *= shape[lead]
        # Axes of length 1 may stand on either side; the lead must keep its number of rows.
        if size != self.size or math.prod(shape[:lead]) != math.prod(self.lead):
            return None
        return Rows(self.words.reshape(*shape[:lead], word_count(size)), tuple(shape[lead:]))


# -- features in another order ------------------------------------------------------------------


@lru_cache(maxsize=64)
def _targets(features: tuple[int, ...], order: tuple[int, ...]) -> Tensor:
    """Return the place of each stored feature among the logical ones, int32."""
    inverse = tuple(order.index(axis) for axis in range(len(order)))
    with torch.inference_mode(False):  # it is kept for calls outside, too
        logical = torch.arange(math.prod(features), dtype=torch.int32, device="cpu")
        return logical.view([features[axis] for axis in order]).permute(inverse).reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Permuted(Layout):
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
    def tensors(self) -> tuple[Tensor]:
        """The words."""
        return self.base.tensors

    def map(self, function: Callable[[Tensor], Tensor]) -> "Permuted":
        """Return the same order of rows with ``function(words)``."""
        return Permuted(self.base.map(function), self.order)

    def rows(self) -> Rows:
        """Return the same spikes with their bits in logical order."""
        target = _targets(self.base.features, self.order)
        return Rows(reorder_bits(self.base.words, self.base.size, target), self.features)

    def view(self, shape: tuple[int, ...]) -> "Permuted | Rows | None":
        """Return the same spikes in another logical shape, see `Rows.view`."""
        lead = len(shape) - len(self.order)
        if lead >= 0 and tuple(shape[lead:]) == self.features:
            return self.map(lambda words: words.reshape(*shape[:lead], words.shape[-1]))
        return self.rows().view(shape)


def channels_last(rows: Rows) -> Permuted:
    """Return rows of features ``(H, W, C)`` under the name ``(C, H, W)``."""
    axes = len(rows.features)
    return Permuted(rows, (axes - 1, *range(axes - 1)))


def as_channels_last(layout: Layout, axes: int) -> Rows | None:
    """Return rows of features ``(H, W, C)`` of spikes whose last ``axes`` are ``(C, H, W)``.

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


# -- constant-rate input ------------------------------------------------------------------------

STEPS = 4  # steps and pixels in a unit of 16 bits


@dataclass(frozen=True, slots=True, eq=False)
class ActivePixels(Layout):
    """Spikes of samples whose pixels are mostly silent: an image held over T steps.

    The non-zero pixels of a sample are listed and taken four at a time. A group's spikes lie in
    units of 16 bits, 4 steps by 4 pixels: bit ``4 (t % 4) + k`` of unit ``t // 4`` is pixel k of
    the group at step t. A kernel turns a unit into 4 look-ups in a table of 16 subset sums.

    Attributes:
        index: int32 ``[B, I + 3]``, the listed pixels; a group is filled up with ``I``.
        count: int32 ``[B]``, listed pixels of each sample.
        units: int64 ``[B, G, 4 H]``, four words for each of ``H = ceil(T / 64)`` blocks of steps.
        steps: T.
        features: logical shape of a sample; ``I`` is their product.
    """

    index: Tensor
    count: Tensor
    units: Tensor
    steps: int
    features: tuple[int, ...]

    def __post_init__(self) -> None:
        B, size = len(self.count), math.prod(self.features)
        fits = (
            (self.index.dtype, self.index.shape) == (torch.int32, (B, size + STEPS - 1))
            and (self.count.dtype, self.count.ndim) == (torch.int32, 1)
            and (self.units.dtype, self.units.shape[:2]) == (torch.int64, (B, -(-size // STEPS)))
            and self.units.shape[2] >= 4 * -(-self.steps // 64)
        )
        if not fits:
            raise ValueError(
                f"spikes: {self.steps} steps of the features {self.features} do not lie in index "
                f"{tuple(self.index.shape)} {self.index.dtype}, count {tuple(self.count.shape)} "
                f"{self.count.dtype} and units {tuple(self.units.shape)} {self.units.dtype}"
            )

    @property
    def shape(self) -> torch.Size:
        """The logical shape ``[T, B, *features]``."""
        return torch.Size([self.steps, len(self.count), *self.features])

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Index, count and units."""
        return self.index, self.count, self.units

    def map(self, function: Callable[[Tensor], Tensor]) -> "ActivePixels":
        """Return pixels with ``function`` of index, count and units."""
        index, count, units = map(function, self.tensors)
        return ActivePixels(index, count, units, self.steps, self.features)

    def to(self, device: torch.device, non_blocking: bool) -> "ActivePixels | Rows":
        """Return the same spikes on another device, as rows on one without these kernels."""
        if device.type == "cpu":
            return self.map(torch.clone)
        return self.rows().map(lambda words: words.to(device, non_blocking=non_blocking))

    def rows(self) -> Rows:
        """Return the same spikes as `Rows`, ``[T, B]`` leading."""
        T, B = self.steps, len(self.count)
        size = math.prod(self.features)
        dense = np.zeros((T, B, size + 4), np.uint8)
        # [B, G, unit, step, pixel of the group]
        bits = np.unpackbits(self.units.numpy().view(np.uint8), axis=-1, bitorder="little")
        bits = bits.reshape(B, self.units.shape[1], -1, STEPS)[:, :, :T]
        for b in range(B):
            groups = -(-int(self.count[b]) // STEPS)
            listed = self.index[b, : groups * STEPS].numpy()
            dense[:, b, listed] = bits[b, :groups].transpose(1, 0, 2).reshape(T, groups * STEPS)
        return Rows.pack(torch.from_numpy(dense[:, :, :size]).reshape(self.shape), 2)

    def between(self, start: int, stop: int) -> "ActivePixels":
        """Return the steps from ``start`` to before ``stop``."""
        B, groups, _ = self.units.shape
        steps = stop - start
        units = np.zeros((B, groups, 16 * -(-steps // 64)), np.uint16)
        wanted = -(-steps // STEPS)
        first, shift = start // STEPS, start % STEPS * STEPS
        old = self.units.numpy().view(np.uint16)[:, :, first : first + wanted + 1]
        units[:, :, :wanted] = old[:, :, :wanted] >> shift
        if shift:  # the other steps of a unit come from the next one
            low = old[:, :, 1:] << (16 - shift)
            units[:, :, : low.shape[2]] |= low
        if steps % STEPS:
            units[:, :, wanted - 1] &= (1 << steps % STEPS * STEPS) - 1
        words = torch.from_numpy(units.view(np.int64))
        return ActivePixels(self.index, self.count, words, steps, self.features)

    def samples(self, start: int, stop: int) -> "ActivePixels":
        """Return the spikes of the samples from ``start`` to before ``stop``, as a view."""
        return self.map(lambda x: x[start:stop])

    def split(self, samples: int) -> "list[ActivePixels]":
        """Return the spikes of so many samples at a time, as views."""
        B = len(self.count)
        return [self.samples(b, min(B, b + samples)) for b in range(0, B, samples)]

    def view(self, shape: tuple[int, ...]) -> "ActivePixels | Rows | None":
        """Return the same spikes in another logical shape, see `Rows.view`."""
        if tuple(shape[:2]) != (self.steps, len(self.count)):
            return self.rows().view(shape)
        return ActivePixels(*self.tensors, self.steps, tuple(shape[2:]))
