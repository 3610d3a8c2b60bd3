"""Which tensors kernels can read, how these lie in memory, and buffers that are used again."""

import math
import threading
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.spikes import SpikeTensor

SLACK = 16
"""Elements that a kernel may read beyond the last output, since it reads 16 at a time."""

_WITH_MEMORY = frozenset({Tensor, nn.Parameter})


def unreadable(*tensors: Tensor | None) -> str | None:
    """Return why kernels cannot read some of these tensors; None if they can.

    A subclass of ``Tensor`` may be a wrapper that has no memory of its own, or mean something by
    each of torch's operations.
    """
    for tensor in tensors:
        if tensor is None or type(tensor) is SpikeTensor:
            continue
        if type(tensor) not in _WITH_MEMORY:
            return f"a {type(tensor).__name__} is not a plain tensor"
        if tensor.layout is not torch.strided:
            return f"a tensor is {tensor.layout}"
        if tensor.is_neg():
            return "a tensor has torch's negative bit: call resolve_neg() on it"
    return None


def not_on_cpu(*tensors: Tensor | None, dtypes: tuple[torch.dtype, ...]) -> str | None:
    """Return why kernels for the CPU cannot compute with these tensors; None if they can.

    All must be of one dtype, which is among ``dtypes``.
    """
    dtype = None
    for tensor in tensors:
        if tensor is None:
            continue
        reason = unreadable(tensor)
        if reason is not None:
            return reason
        if not tensor.is_cpu:
            return f"the input is on {tensor.device}"
        if dtype is None:
            dtype = tensor.dtype
            if dtype not in dtypes:
                return f"the input is {dtype}"
        elif tensor.dtype is not dtype:
            return f"the input is {dtype}, another tensor {tensor.dtype}"
    return None


def without_negative_bit(x: Any) -> Any:
    """Return ``x``, resolved if it is a view such as ``z.conj().imag``: the negative of memory."""
    if x is None or not x.is_neg():
        return x
    constant = x.ndim > 0 and x.stride(0) == 0
    return x[:1].resolve_neg().expand(x.shape) if constant else x.resolve_neg()


def is_channels_last(x_seq: Tensor) -> bool:
    """Return whether the features of ``[T, B, C, ...]`` lie side by side, channels last."""
    if x_seq.ndim < 4 or x_seq.stride(2) != 1 or x_seq.shape[2] == 1:
        return False
    return x_seq.movedim(2, -1)[0, 0].is_contiguous()


def span(x: Tensor) -> int:
    """Return how many elements lie from the first to the last one of ``x`` in memory."""
    if x.is_contiguous():
        return x.numel()
    return 1 + sum((n - 1) * stride for n, stride in zip(x.shape, x.stride(), strict=True))


def with_slack(x: Tensor) -> Tensor:
    """Return ``x``, copied unless its last axis is dense and `SLACK` elements follow its last."""
    whole = x.untyped_storage().nbytes() // x.itemsize - x.storage_offset()
    if x.stride(-1) == 1 and whole >= span(x) + SLACK:
        return x
    return pool.empty(tuple(x.shape), x.dtype).copy_(x)


class _Buffer:
    """Memory of the pool that can tell whether anybody else holds it."""

    __slots__ = ("_address", "_alone", "_storage", "flat")

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        with torch.inference_mode(False):  # tensors made there can never be saved for backward
            self.flat = torch.empty(size + SLACK, dtype=dtype, device="cpu")[:size]
        self._address = self.flat.data_ptr()
        self._storage = self.flat.untyped_storage()
        self._alone = torch._C._storage_Use_Count(self._storage._cdata)

    def is_free(self) -> bool:
        """Return whether the pool alone holds the memory, in this and every other process."""
        users = torch._C._storage_Use_Count(self._storage._cdata) - self._alone
        return users == 0 and self.flat.data_ptr() == self._address  # shared memory has moved


class _Pool(threading.local):
    """Large buffers of this thread that are no longer in use.

    Fresh pages from the system cost more than the arithmetic of a time loop: a step that asks
    for the same sizes as the last one gets the same memory. The sizes that were wanted last are
    kept, a few buffers each.
    """

    SMALL = 1 << 17  # bytes; below, malloc keeps its memory itself
    SIZES = 16
    KEPT = 4

    def __init__(self) -> None:
        self._buffers: OrderedDict[tuple[int, torch.dtype], list[_Buffer]] = OrderedDict()

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """Return an uninitialised tensor on the CPU with `SLACK` elements behind the last one."""
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

    def result(self, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """Return `empty` without slack: cheaper where it is small."""
        if math.prod(shape) * dtype.itemsize < self.SMALL:
            return torch.empty(shape, dtype=dtype, device="cpu")
        return self.empty(shape, dtype)

    def release(self) -> None:
        """Forget all buffers; the memory of those in use belongs to their users."""
        self._buffers.clear()


pool = _Pool()


def release_buffers() -> None:
    """Give back the memory that this thread's kernels keep for their next calls.

    They keep buffers of the sizes that were wanted last, since fresh memory costs more than the
    arithmetic. Memory in use stays in use.
    """
    pool.release()
