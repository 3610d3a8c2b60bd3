"""Torch tensors as the flat arrays that kernels take, and buffers that are used again."""

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike.kernels.runtime.addresses import address_of

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


def located(x: Tensor | None) -> tuple[int, int]:
    """Address of ``x`` and how many elements lie from its first to its last; of None, 0 and 0."""
    if x is None:
        return 0, 0
    return address_of(x), x.numel() if x.is_contiguous() else _extent(x)


def all_located(*groups: Sequence[Tensor | None]) -> list[int]:
    """`located` of all tensors of the groups, in order."""
    return [number for group in groups for x in group for number in located(x)]


def has_slack(x: Tensor) -> bool:
    """Whether `SLACK` elements behind the last one of ``x`` can be read."""
    whole = x.untyped_storage().nbytes() // x.itemsize - x.storage_offset()
    return whole >= _extent(x) + SLACK


def _extent(x: Tensor) -> int:
    return 1 + sum((n - 1) * stride for n, stride in zip(x.shape, x.stride(), strict=True))


class _Buffer:
    """Memory of the pool, which can tell whether anybody else holds it."""

    __slots__ = ("_address", "_alone", "_storage", "flat")

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        with torch.inference_mode(False):  # what is made there cannot be saved for backward, ever
            self.flat = torch.empty(size + SLACK, dtype=dtype, device="cpu")[:size]
        self._address = self.flat.data_ptr()
        self._storage = self.flat.untyped_storage()
        self._alone = torch._C._storage_Use_Count(self._storage._cdata)

    def users(self) -> int:
        """How many tensors hold the memory, the pool apart."""
        return int(torch._C._storage_Use_Count(self._storage._cdata)) - self._alone

    def is_free(self) -> bool:
        """Whether the pool alone holds the memory, in this and every other process."""
        # What is shared with another process has moved.
        return self.users() == 0 and self.flat.data_ptr() == self._address


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
        self._buffers: OrderedDict[tuple[int, torch.dtype], list[_Buffer]] = OrderedDict()

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Like ``torch.empty`` on the CPU, with `SLACK` elements behind the last one."""
        size = math.prod(shape)
        if size * dtype.itemsize < self.SMALL:
            return torch.empty(size + SLACK, dtype=dtype, device="cpu")[:size].view(shape)
        key = (size, dtype)
        kept = self._buffers.get(key)
        if kept is None:
            kept = self._buffers[key] = []
            if len(self._buffers) > self.SIZES:
                self._buffers.popitem(last=False)
        self._buffers.move_to_end(key)
        for buffer in kept:
            if buffer.is_free():
                return buffer.flat.view(shape)
        buffer = _Buffer(size, dtype)
        kept.append(buffer)
        del kept[: -self.KEPT]
        return buffer.flat.view(shape)

    def result(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """`empty` for what no kernel reads beyond its end: cheaper where it is small."""
        if math.prod(shape) * dtype.itemsize < self.SMALL:
            return torch.empty(shape, dtype=dtype, device="cpu")
        return self.empty(shape, dtype)

    def release(self) -> None:
        """Forgets all buffers: those that nobody uses are free, others belong to their users."""
        self._buffers.clear()

    def users(self, x: Tensor) -> int | None:
        """How many hold the buffer that ``x`` is all of, in order; None if it is no buffer."""
        if x.is_contiguous():
            at = x.data_ptr()
            for buffer in self._buffers.get((x.numel(), x.dtype), ()):
                if buffer.flat.data_ptr() == at:
                    return buffer.users()
        return None


pool = _Pool()


def release_buffers() -> None:
    """Give back the memory that this thread's kernels keep for their next calls.

    They keep buffers of the sizes that were wanted last, since fresh memory costs more than the
    arithmetic. Memory in use stays in use.
    """
    pool.release()
