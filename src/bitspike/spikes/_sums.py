"""Sums of spikes over time: counts of bits, without unpacking."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike import dispatch
from bitspike.spikes._tensor import SpikeTensor, functions
from bitspike.spikes._words import check_words, is_traced, own, traced


def count_over_time(words: Tensor, features: int, divisor: int) -> Tensor:
    """Return spikes of each feature over ``divisor``, float32 ``[..., F]``, of ``[T, ..., W]``."""
    check_words(words, features)
    if words.ndim < 2 or divisor == 0:
        raise ValueError(
            f"spikes: a count over time needs words [T, ..., W] and a divisor other than 0, but "
            f"got the shape {tuple(words.shape)} and the divisor {divisor}"
        )
    if is_traced(words):
        return traced("count_over_time", words, features, divisor)
    kernels = dispatch.available("bits", words.device)
    if kernels is not None:
        counted: Tensor = kernels.count_over_time(words, features, divisor)
        return counted
    octets = words.contiguous().view(torch.uint8)
    count = torch.zeros(*words.shape[1:-1], features, dtype=torch.int32, device=words.device)
    for step in octets.unbind(0):
        bits = np.unpackbits(step.numpy(), axis=-1, count=features, bitorder="little")
        count += torch.from_numpy(bits)
    return count.to(torch.float32) / divisor


def _counted(s: SpikeTensor, divisor: int) -> Tensor:
    """Return the number of spikes over time by ``divisor``, in the dtype of ``s``."""
    rows = s.bits.rows()
    wide = s.dtype == torch.float64  # counts are exact in float32, shares are not
    if rows.counts is not None:
        counts = rows.counts.to(s.dtype) if wide else rows.counts
        return (counts / divisor).to(s.dtype)
    counts = (
        count_over_time(rows.words, rows.size, 1 if wide else divisor).view(s.shape[1:]).to(s.dtype)
    )
    return counts / divisor if wide else counts


class _OverTime(torch.autograd.Function):
    """Sum or mean over time. The gradient is a view with stride 0 along time."""

    @staticmethod
    def forward(ctx: Any, s: SpikeTensor, mean: bool) -> Tensor:
        ctx.steps, ctx.mean = len(s), mean
        return own(_counted(s, len(s) if mean else 1))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad / ctx.steps if ctx.mean else grad
        return grad.expand(ctx.steps, *grad.shape), None


def _over_time(
    s: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, mean: bool
) -> Any:
    dims = [dim] if isinstance(dim, int) else dim
    if dtype is not None or dims is None or not isinstance(s, SpikeTensor):
        return NotImplemented
    if s.device.type != "cpu" or not s.numel() or list(dims) not in ([0], [-s.ndim]):
        return NotImplemented
    if not s.bits.rows().lead:
        return NotImplemented
    result: Tensor = _OverTime.apply(s, mean)  # type: ignore[no-untyped-call]
    return result.unsqueeze(0) if keepdim else result


functions[Tensor.sum] = functions[torch.sum] = partial(_over_time, mean=False)
functions[Tensor.mean] = functions[torch.mean] = partial(_over_time, mean=True)
