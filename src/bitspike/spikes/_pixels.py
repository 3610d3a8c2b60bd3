"""The layout of constant-rate input: only the pixels that can fire, four at a time."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bitspike.spikes._layout import Rows

STEPS = 4  # steps and pixels in a unit of 16 bits


@dataclass(frozen=True, slots=True, eq=False)
class ActivePixels:
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
    def device(self) -> torch.device:
        """Where the memory is."""
        return self.units.device

    def rows(self) -> Rows:
        """The same spikes as `Rows`, ``[T, B]`` leading."""
        T, B = self.steps, len(self.count)
        size = int(np.prod(self.features))
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
        """The steps from ``start`` to before ``stop``."""
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

    def split(self, samples: int) -> "list[ActivePixels]":
        """The spikes of so many samples at a time, as views."""
        parts = (torch.split(whole, samples) for whole in (self.index, self.count, self.units))
        return [
            ActivePixels(index, count, units, self.steps, self.features)
            for index, count, units in zip(*parts, strict=True)
        ]

    def samples(self, start: int, stop: int) -> "ActivePixels":
        """The spikes of the samples from ``start`` to before ``stop``, as a view."""
        index, count, units = (t[start:stop] for t in (self.index, self.count, self.units))
        return ActivePixels(index, count, units, self.steps, self.features)

    def to(self, device: torch.device, non_blocking: bool) -> "ActivePixels | Rows":
        """The same spikes on another device, as rows where the kernels of this layout are not."""
        if device.type == "cpu":
            return self.clone()
        return self.rows().to(device, non_blocking)

    def clone(self) -> "ActivePixels":
        """The same spikes in memory of their own."""
        return ActivePixels(
            self.index.clone(), self.count.clone(), self.units.clone(), self.steps, self.features
        )

    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(t.numel() * t.itemsize for t in (self.index, self.count, self.units))

    def view(self, shape: tuple[int, ...]) -> "ActivePixels | Rows | None":
        """The same spikes under another logical shape, see `Rows.view`."""
        if tuple(shape[:2]) != (self.steps, len(self.count)):
            return self.rows().view(shape)
        return ActivePixels(self.index, self.count, self.units, self.steps, tuple(shape[2:]))
