"""Pooling of spikes, forward and gradients."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels.conv.numba import Pair, _dense, _matrix, _stored
from bitspike.kernels.pool import numba_kernels as templates
from bitspike.kernels.runtime.buffers import flat, pool, words_of
from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.numba_kernel import Kernel, specialise
from bitspike.kernels.runtime.tensors import unreadable
from bitspike.spikes import SpikeTensor
from bitspike.spikes._layouts import Rows, channels_last
from bitspike.spikes._words import own, word_count

aten = torch.ops.aten

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
_maximum = Kernel(templates.maximum, "pool")
_count = Kernel(templates.count_channels)


@cache
def _backward_kernel(dtype: Any) -> Kernel:
    add = templates.add_float32 if dtype is np.float32 else templates.add_float64
    return specialise(templates.maximum_backward, dtype, add=add)


def unsupported(x: Tensor) -> str | None:
    """Why this backend cannot pool ``x``; None if it can."""
    why = unreadable(x)
    if why is not None:
        return why
    if x.device.type != "cpu":
        return f"the spikes are on {x.device}"
    if x.dtype not in _NUMPY:
        return f"the spikes are {x.dtype}"
    return None


def _reference(pool: Callable[..., Tensor]) -> Callable[[Any], Any]:
    """Of a pooling function of torch's, whose arguments ``ctx.arguments`` are."""

    def reference(ctx: Any) -> tuple[Arguments, Callable[..., Tensor]]:
        others = (None,) * (len(ctx.needs_input_grad) - 1)
        return (*ctx.saved_tensors, *others), lambda x, *_: pool(x.dense(), *ctx.arguments)

    return reference


def _torch_max_pool(x: Tensor, *arguments: Any) -> Tensor:
    return (F.max_pool1d if x.ndim == 3 else F.max_pool2d)(x, *arguments)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: SpikeTensor, sizes: tuple[Pair, ...], arguments: tuple[Any, ...]
    ) -> Tensor:
        rows = _stored(x)
        *_, C = rows.features
        words, out_size = _matrix(rows), sizes[-1]
        *plane, _ = rows.features
        OH, OW = out_size
        pooled = torch.empty((len(words), word_count(OH * OW * C)), dtype=torch.int64, device="cpu")
        windows = len(words) * OH * OW * -(-C // 64)
        _maximum(words, words_of(pooled).reshape(pooled.shape), C, *sizes, work=10 * windows)
        ctx.save_for_backward(x)
        ctx.rows, ctx.sizes, ctx.windows, ctx.arguments = rows, sizes, windows, arguments
        out = (OH, OW) if len(plane) == 2 else (OW,)
        return SpikeTensor(channels_last(Rows(pooled, (*out, C))), x.dtype)

    @staticmethod
    @differentiable_again(_reference(_torch_max_pool))
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows: Rows = ctx.rows
        gx = pool.empty((*rows.lead, *rows.features), grad.dtype)
        _backward_kernel(_NUMPY[grad.dtype])(
            _matrix(rows), flat(grad.movedim(1, -1).contiguous()), flat(gx), rows.features[-1],
            *ctx.sizes, work=20 * ctx.windows + 0.2 * gx.numel(),
        )  # fmt: skip
        return gx.movedim(-1, 1), None, None


def max_pool(
    x: SpikeTensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Any:
    """``F.max_pool1d`` or ``F.max_pool2d`` of ``[N, C, ...]``; NotImplemented for odd arguments."""
    odd = min(kernel) < 1 or min(stride) < 1 or min(dilation) < 1 or min(padding) < 0
    if odd or any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
        return NotImplemented  # torch says what is wrong
    size = tuple(x.shape[2:])
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        length = -(-room // s) + 1 if ceil_mode else room // s + 1
        if ceil_mode and (length - 1) * s >= n + p:  # a window must start inside
            length -= 1
        out.append(length)
    if min(out) < 1:
        return NotImplemented
    fill = (1,) * (2 - len(size)), (0,) * (2 - len(size))
    ones, zeros = fill
    sizes = ((*ones, *size), (*ones, *kernel), (*ones, *stride), (*zeros, *padding))
    arguments = kernel, stride, padding, dilation, ceil_mode
    return _MaxPool.apply(x, (*sizes, (*ones, *dilation), (*ones, *out)), arguments)


class _AvgPool2d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: SpikeTensor, arguments: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.arguments = arguments
        y: Tensor = aten.avg_pool2d(_dense(_stored(x), x.dtype), *arguments)
        return y

    @staticmethod
    @differentiable_again(_reference(aten.avg_pool2d))
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        form = torch.channels_last
        # Only its shape counts.
        nothing = torch.empty(x.shape, dtype=grad.dtype, device="cpu", memory_format=form)
        gx: Tensor = aten.avg_pool2d_backward(
            grad.contiguous(memory_format=form), nothing, *ctx.arguments
        )
        return gx, None


def avg_pool2d(x: SpikeTensor, *arguments: Any) -> Tensor:
    """The same as torch's function of ``x.dense()``; keeps the bits for the backward pass."""
    y: Tensor = _AvgPool2d.apply(x, arguments)
    return y


class _MeanOfPlane(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: SpikeTensor) -> Tensor:
        rows = _stored(x)
        *plane, C = rows.features
        words = _matrix(rows)
        count = torch.empty((len(words), C), dtype=torch.int64, device="cpu")
        _count(words, count.numpy(), C, work=0.5 * x.numel())
        ctx.save_for_backward(x)
        ctx.arguments = tuple(range(2, x.ndim)), True
        ctx.size = x.numel() // max(1, count.numel())
        return own((count.to(x.dtype) / ctx.size).view(len(words), C, *(1 for _ in plane)))

    @staticmethod
    @differentiable_again(_reference(torch.mean))
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return (grad / ctx.size).expand(x.shape)


def mean_of_plane(x: SpikeTensor) -> Tensor:
    """Share of ones in each plane, ``[N, C, ...]`` to ``[N, C, 1, ...]``."""
    y: Tensor = _MeanOfPlane.apply(x)
    return y
