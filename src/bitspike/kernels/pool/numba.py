"""Pooling of spikes, channels last: ``[N, H W C]`` as words, a plane as ``[N, H, W, C]``.

Among zeros and ones a window's maximum is whether any is 1, and its mean their count. Sizes come in
pairs, height first.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numba import njit, prange
from torch import Tensor

from bitspike.kernels.conv.numba import Pair, channels_last_rows, dense_of
from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.memory import not_on_cpu, pool
from bitspike.kernels.runtime.numba_kernel import Kernel, precisions
from bitspike.kernels.runtime.numba_simd import (
    add_float,
    keep,
    load16,
    popcount,
    store16,
    trailing_zeros,
)
from bitspike.spikes import Rows, SpikeTensor, channels_last, own, word_count

aten = torch.ops.aten

WORD = 64

# Bound by `precisions`; the value here is what the type checker and a reader see.
dtype: Any = np.float32


@njit(inline="always")
def bits_at(words: Any, position: Any, count: Any) -> Any:
    """``count`` bits, at most 64, from any position."""
    w, shift = position // WORD, position % WORD
    bits = words[w] >> np.uint64(shift)
    if shift + count > WORD:
        bits |= words[w + 1] << np.uint64(WORD - shift)
    if count < WORD:
        bits &= (np.uint64(1) << np.uint64(count)) - np.uint64(1)
    return bits


@njit(inline="always")
def add_float32(bits: Any, x: Any, start: Any, out: Any, to: Any, count: Any) -> None:
    """``out[to + j] += x[start + j]`` where bit j is set, for ``count`` elements."""
    whole = count // 16 * 16
    for j in range(0, whole, 16):
        kept: Any = keep(bits >> np.uint64(j), load16(x, start + j))
        store16(out, to + j, add_float(load16(out, to + j), kept))
    for j in range(whole, count):
        if (bits >> np.uint64(j)) & np.uint64(1):
            out[to + j] += x[start + j]


@njit(inline="always")
def add_float64(bits: Any, x: Any, start: Any, out: Any, to: Any, count: Any) -> None:
    """The same for float64, one element after the other."""
    for j in range(count):
        if (bits >> np.uint64(j)) & np.uint64(1):
            out[to + j] += x[start + j]


add: Any = add_float32


@njit(inline="always")
def pixels_of_window(
    oy: Any, ox: Any, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, pixels: Any
) -> Any:
    """List the pixels ``y W + x`` of a window that lie in the image, and return their number."""
    H, W = size
    n = 0
    for ky in range(kernel[0]):
        y = oy * stride[0] - padding[0] + ky * dilation[0]
        if y < 0 or y >= H:
            continue
        for kx in range(kernel[1]):
            x = ox * stride[1] - padding[1] + kx * dilation[1]
            if x >= 0 and x < W:
                pixels[n] = y * W + x
                n += 1
    return n


def max_forward(
    words: Any, out: Any, C: Any, size: Any, kernel: Any, stride: Any, padding: Any,
    dilation: Any, out_size: Any,
) -> None:  # fmt: skip
    """Write whether any spike is in each window, words to words."""
    OH, OW = out_size
    for n in prange(len(words)):
        image, pooled = words[n], out[n]
        pooled[:] = np.uint64(0)
        pixels = np.empty(kernel[0] * kernel[1], np.int64)
        for oy in range(OH):
            for ox in range(OW):
                count_of_pixels = pixels_of_window(
                    oy, ox, size, kernel, stride, padding, dilation, pixels
                )
                for c in range(0, C, WORD):
                    count = min(WORD, C - c)
                    any_spike = np.uint64(0)
                    for k in range(count_of_pixels):
                        any_spike |= bits_at(image, pixels[k] * C + c, count)
                    to = (oy * OW + ox) * C + c
                    w, shift = to // WORD, to % WORD
                    pooled[w] |= any_spike << np.uint64(shift)
                    if shift + count > WORD:
                        pooled[w + 1] |= any_spike >> np.uint64(WORD - shift)


def max_backward(
    words: Any, grad: Any, out: Any, C: Any, size: Any, kernel: Any, stride: Any, padding: Any,
    dilation: Any, out_size: Any,
) -> None:  # fmt: skip
    """Add each window's gradient to its first spike, or to its first element if there is none."""
    OH, OW = out_size
    pixels_of_image = size[0] * size[1]
    for n in prange(len(words)):
        image, at = words[n], n * pixels_of_image * C
        out[at : at + pixels_of_image * C] = dtype(0.0)
        pixels = np.empty(kernel[0] * kernel[1], np.int64)
        for oy in range(OH):
            for ox in range(OW):
                count_of_pixels = pixels_of_window(
                    oy, ox, size, kernel, stride, padding, dilation, pixels
                )
                for c in range(0, C, WORD):
                    count = min(WORD, C - c)
                    start = ((n * OH + oy) * OW + ox) * C + c
                    any_spike = np.uint64(0)
                    for k in range(count_of_pixels):
                        any_spike |= bits_at(image, pixels[k] * C + c, count)
                    every = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(WORD - count)
                    none, seen = every & ~any_spike, np.uint64(0)
                    for k in range(count_of_pixels):
                        to = pixels[k] * C + c
                        first = bits_at(image, to, count) & ~seen
                        seen |= first
                        if k == 0:
                            first |= none
                        if first != 0:
                            add(first, grad, start, out, at + to, count)


def count_channels(words: Any, out: Any, C: Any) -> None:
    """Count the spikes of each channel: words to ``[N, C]``."""
    for n in prange(len(words)):
        out[n] = 0
        for w in range(words.shape[1]):
            word = words[n, w]
            if C == 1:
                out[n, 0] += popcount(word)
                continue
            while word != 0:
                out[n, (w * WORD + trailing_zeros(word)) % C] += 1
                word &= word - np.uint64(1)


# -- host functions -----------------------------------------------------------------------------

_max_forward = Kernel(max_forward, "words u64[N, W], out u64[N, V]", "pool")
_max_backward = precisions(
    max_backward, "words u64[N, W], grad real[], out real[]", add=(add_float32, add_float64)
)
_count = Kernel(count_channels, "words u64[N, W], out i64[N, C]")


def unsupported(x: Tensor) -> str | None:
    """Return why this backend cannot pool ``x``; None if it can."""
    return not_on_cpu(x, dtypes=(torch.float32, torch.float64))


def _reference(pool: Callable[..., Tensor]) -> Callable[[Any], Any]:
    """Return the reference: a function of torch's with the arguments ``ctx.arguments``."""

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
        rows = channels_last_rows(x)
        *plane, C = rows.features
        words, (OH, OW) = rows.matrix(), sizes[-1]
        pooled = torch.empty((len(words), word_count(OH * OW * C)), dtype=torch.int64, device="cpu")
        windows = len(words) * OH * OW * -(-C // 64)
        _max_forward(words, pooled, C, *sizes, work=10 * windows)
        ctx.save_for_backward(x)
        ctx.rows, ctx.sizes, ctx.windows, ctx.arguments = rows, sizes, windows, arguments
        out = (OH, OW) if len(plane) == 2 else (OW,)
        return SpikeTensor(channels_last(Rows(pooled, (*out, C))), x.dtype)

    @staticmethod
    @differentiable_again(_reference(_torch_max_pool))
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows: Rows = ctx.rows
        gx = pool.empty((*rows.lead, *rows.features), grad.dtype)
        _max_backward[grad.dtype](
            rows.matrix(), grad.movedim(1, -1).contiguous(), gx, rows.features[-1], *ctx.sizes,
            work=20 * ctx.windows + 0.2 * gx.numel(),
        )  # fmt: skip
        return gx.movedim(-1, 1), None, None


def max_pool(
    x: SpikeTensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Any:
    """Return ``F.max_pool1d`` or ``2d`` of ``[N, C, ...]``; NotImplemented for odd arguments."""
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
        y: Tensor = aten.avg_pool2d(dense_of(channels_last_rows(x), x.dtype), *arguments)
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
    """Return torch's function of ``x.dense()``; the bits are kept for the backward pass."""
    y: Tensor = _AvgPool2d.apply(x, arguments)
    return y


class _MeanOfPlane(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: SpikeTensor) -> Tensor:
        rows = channels_last_rows(x)
        (*plane, C), words = rows.features, rows.matrix()
        count = torch.empty((len(words), C), dtype=torch.int64, device="cpu")
        _count(words, count, C, work=0.5 * x.numel())
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
    """Return the share of ones in each plane, ``[N, C, ...]`` to ``[N, C, 1, ...]``."""
    y: Tensor = _MeanOfPlane.apply(x)
    return y
