"""Torch tensors as the flat arrays that kernels take, and buffers that are used again."""

import math
import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor


def flat(x: Tensor) -> Any:
    """The memory of ``x`` from its first to its last element, as a one-dimensional array."""
    x = x.detach()
    if x.is_contiguous():
        return x.numpy().reshape(-1)
    extent = 1 + sum((n - 1) * stride for n, stride in zip(x.shape, x.stride(), strict=True))
    return x.as_strided((extent,), (1,)).numpy()


def words_of(x: Tensor) -> Any:
    """An int64 tensor of words as a flat array of uint64."""
    return flat(x).view(np.uint64)


class _Pool(threading.local):
    """Large buffers of this thread that nobody uses any more.

    Fresh pages from the system cost more than the arithmetic of a time loop: a step that asks
    for the same sizes as the last one gets the same memory.
    """

    SMALL = 1 << 17  # bytes; below, malloc keeps its memory itself
    KEPT = 16

    def __init__(self) -> None:
        self._buffers: list[Tensor] = []

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Like ``torch.empty`` on the CPU."""
        size = math.prod(shape)
        if size * dtype.itemsize < self.SMALL:
            return torch.empty(shape, dtype=dtype)
        for index, buffer in enumerate(self._buffers):
            if buffer.dtype == dtype and buffer.numel() == size and _unused(buffer):
                self._buffers.append(self._buffers.pop(index))
                return buffer.view(shape)
        buffer = torch.empty(size, dtype=dtype)
        self._buffers = [*self._buffers[1 - self.KEPT :], buffer]
        return buffer.view(shape)


def _unused(buffer: Tensor) -> bool:
    """Whether the pool alone holds the memory of ``buffer``."""
    storage = buffer.untyped_storage()
    # One reference of the buffer, one of the line above.
    return bool(torch._C._storage_Use_Count(storage._cdata) <= 2)


pool = _Pool()
