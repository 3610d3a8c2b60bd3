"""How the spikes of a `SpikeTensor` lie in memory."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bitspike.spikes._bits import pack_bits, unpack_bits, word_count


class Layout(Protocol):
    """What every layout can do. Layouts are never changed once they are made."""

    @property
    def shape(self) -> torch.Size:
        """The logical shape."""

    @property
    def device(self) -> torch.device:
        """Where the memory is."""

    def rows(self) -> "Rows":
        """The same spikes as `Rows`."""

    def to(self, device: torch.device, non_blocking: bool) -> "Layout":
        """The same spikes on another device."""

    def clone(self) -> "Layout":
        """The same spikes in memory of their own."""

    def view(self, shape: tuple[int, ...]) -> "Layout | None":
        """The same spikes under another logical shape; None if only a dense tensor can have it."""

    def nbytes(self) -> int:
        """Bytes of memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Features side by side in words of 64: what neurons emit.

    Attributes:
        words: int64 ``[*lead, W]``, see `_bits`.
        features: the logical shape's trailing axes that the words hold; ``lead`` are the others.
        counts: float32 ``[*lead[1:], *features]``, spikes over the first axis, if whoever made the
            words has counted them.
    """

    words: Tensor
    features: tuple[int, ...]
    counts: Tensor | None = None

    def __post_init__(self) -> None:
        words = self.words
        if words.dtype != torch.int64 or not words.ndim or words.shape[-1] != word_count(self.size):
            raise ValueError(
                f"spikes: words of shape {tuple(words.shape)} and {words.dtype} do not hold the "
                f"features {self.features}, for which the last axis must have "
                f"{word_count(self.size)} words of torch.int64"
            )

    @classmethod
    def pack(cls, dense: Tensor, lead: int) -> "Rows":
        """Rows of a dense tensor whose first ``lead`` axes are not packed."""
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
    def device(self) -> torch.device:
        """Where the words are."""
        return self.words.device

    @property
    def size(self) -> int:
        """Features in a row."""
        return math.prod(self.features)

    def rows(self) -> "Rows":
        """Itself."""
        return self

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The logical tensor, unpacked."""
        return unpack_bits(self.words, self.size, dtype).reshape(self.shape)

    def to(self, device: torch.device, non_blocking: bool) -> "Rows":
        """The same spikes on another device."""
        return Rows(self.words.to(device, non_blocking=non_blocking), self.features)

    def clone(self) -> "Rows":
        """The same spikes in memory of their own."""
        return Rows(self.words.clone(), self.features)

    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.words.numel() * self.words.itemsize

    def view(self, shape: tuple[int, ...]) -> "Rows | None":
        """The same words under another logical shape, or None if a row would be cut or joined."""
        size, lead = 1, len(shape)
        while size < self.size and lead > 0:
            lead -= 1
            size *= shape[lead]
        if size != self.size:
            return None
        # Axes of length 1 may stand on either side; the lead must keep its number of rows.
        if math.prod(shape[:lead]) != math.prod(self.lead):
            return None
        words = self.words.reshape(*shape[:lead], word_count(self.size))
        return Rows(words, tuple(shape[lead:]))
