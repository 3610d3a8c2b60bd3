"""Torch tensors as the flat arrays that kernels take, and buffers that are used again."""

import math
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor

SLACK = 16
"""Elements that a kernel may read beyond the last output, since it reads 16 at a time."""


def flat(x: Tensor) -> Any:
    """The memory of ``x`` from its first to its last element, as a one-dimensional array."""
    x = x.detach()
    if x.is_contiguous():
        return x.numpy().reshape(-1)
    return x.as_strided((_extent(x),), (1,)).numpy()


def words_of(x: Tensor) -> Any:
    """An int64 tensor of words as a flat array of uint64, copied if there are gaps in it."""
    return flat(x.contiguous()).view(np.uint64)


def has_slack(x: Tensor) -> bool:
    """Whether `SLACK` elements behind the last one of ``x`` can be read."""
    whole = x.untyped_storage().nbytes() // x.itemsize - x.storage_offset()
    return whole >= _extent(x) + SLACK


def with_slack(x: Tensor) -> Any:
    """The memory of ``x`` as `flat` gives it, and `SLACK` elements more."""
    return x.detach().as_strided((_extent(x) + SLACK,), (1,)).numpy()


def _extent(x: Tensor) -> int:
    return 1 + sum((n - 1) * stride for n, stride in zip(x.shape, x.stride(), strict=True))


class _Pool(threading.local):
    """Large buffers of this thread that nobody uses any more.

    Fresh pages from the system cost more than the arithmetic of a time loop: a step that asks
    for the same sizes as the last one gets the same memory. The sizes that were wanted last are
    kept, a few buffers each.
    """

    SMALL = 1 << 17  # bytes; below, malloc keeps its memory itself
    SIZES = 16
    KEPT = 4

    def __init__(self) -> None:
        self._buffers: OrderedDict[tuple[int, torch.dtype], list[Tensor]] = OrderedDict()

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Like ``torch.empty`` on the CPU, with `SLACK` elements behind the last one."""
        size = math.prod(shape)
        if size * dtype.itemsize < self.SMALL:
            return torch.empty(size + SLACK, dtype=dtype)[:size].view(shape)
        key = (size, dtype)
        kept = self._buffers.setdefault(key, [])
        self._buffers.move_to_end(key)
        buffer = next((one for one in kept if _unused(one)), None)
        if buffer is None:
            buffer = torch.empty(size + SLACK, dtype=dtype)
            self._buffers[key] = [*kept[1 - self.KEPT :], buffer]
            if len(self._buffers) > self.SIZES:
                self._buffers.popitem(last=False)
        return buffer[:size].view(shape)

    def release(self) -> None:
        """Forgets all buffers: those that nobody uses are free, others belong to their users."""
        self._buffers.clear()

    def holds(self, x: Tensor) -> bool:
        """Whether ``x`` is one of the buffers, all of it and in order."""
        at = x.data_ptr()
        return x.is_contiguous() and any(
            one.data_ptr() == at for one in self._buffers.get((x.numel(), x.dtype), ())
        )


def holders(x: Tensor) -> int:
    """How many tensors and others hold on to the memory of ``x``, this question included."""
    storage = x.untyped_storage()
    return int(torch._C._storage_Use_Count(storage._cdata))


def _unused(buffer: Tensor) -> bool:
    """Whether the pool alone holds the memory of ``buffer``, in this and every other process."""
    # One reference of the buffer, one of the question.
    return holders(buffer) <= 2 and not buffer.is_shared()


pool = _Pool()
