"""Batch norm with the batch's statistics, channels last, in buffers that are used again.

A batch is a matrix ``[M, C]`` of float32, flat; a column is a channel. Sums are of float32 within
64 rows and of float64 beyond, in parts that do not depend on the number of threads.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numba import njit, prange
from torch import Tensor

from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.memory import pool, unreadable
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.runtime.numba_simd import (
    add_float,
    load16,
    multiply_float,
    splat16,
    store16,
    subtract_float,
)
from bitspike.spikes import own

LANES = 16
BLOCK = 64  # rows that stay in the first-level cache while the columns take their turn


@njit(inline="always")
def add_lanes(first: Any, second: Any, pair: Any, out: Any, c: Any) -> None:
    """Add two vectors to the columns from ``c`` on of ``out [2, C]``, in its precision."""
    store16(pair, 0, first)
    store16(pair, LANES, second)
    for j in range(LANES):
        out[0, c + j] += pair[j]
        out[1, c + j] += pair[LANES + j]


@njit(inline="always")
def sums_of_block(
    g: Any, x: Any, centre: Any, row: Any, last: Any, C: Any, squares: Any, out: Any
) -> None:
    """Add `sums` of the rows from ``row`` to before ``last`` to ``out [2, C]``."""
    pair = np.empty(2 * LANES, np.float32)
    for c in range(0, C // LANES * LANES, LANES):
        total, product = splat16(np.float32(0.0)), splat16(np.float32(0.0))
        middle = load16(centre, c)
        for r in range(row, last):
            other = subtract_float(load16(x, r * C + c), middle)
            value = other if squares else load16(g, r * C + c)
            total = add_float(total, value)
            product = add_float(product, multiply_float(value, other))
        add_lanes(total, product, pair, out, c)
    for c in range(C // LANES * LANES, C):
        total_of_column, product_of_column = np.float32(0.0), np.float32(0.0)
        for r in range(row, last):
            difference = x[r * C + c] - centre[c]
            single = difference if squares else g[r * C + c]
            total_of_column += single
            product_of_column += single * difference
        out[0, c] += total_of_column
        out[1, c] += product_of_column


def sums(g: Any, x: Any, centre: Any, out: Any, M: Any, C: Any, squares: Any) -> None:
    """``out [parts, 2, C]``, float64: sums of ``g`` and of ``g (x - centre)`` over the rows.

    With ``squares``, ``x - centre`` takes the place of ``g``.
    """
    parts = len(out)
    for part in prange(parts):
        own_sums = out[part]
        own_sums[:, :] = 0.0
        first, last = part * M // parts, (part + 1) * M // parts
        for row in range(first, last, BLOCK):
            sums_of_block(g, x, centre, row, min(last, row + BLOCK), C, squares, own_sums)


def affine(x: Any, centre: Any, a: Any, b: Any, out: Any, M: Any, C: Any) -> None:
    """``out = (x - centre) a + b`` with one of each for each column."""
    for block in prange((M + BLOCK - 1) // BLOCK):
        row, last = block * BLOCK, min(M, (block + 1) * BLOCK)
        for c in range(0, C // LANES * LANES, LANES):
            scale, start, middle = load16(a, c), load16(b, c), load16(centre, c)
            for r in range(row, last):
                at = r * C + c
                value = multiply_float(subtract_float(load16(x, at), middle), scale)
                store16(out, at, add_float(value, start))
        for c in range(C // LANES * LANES, C):
            for r in range(row, last):
                out[r * C + c] = (x[r * C + c] - centre[c]) * a[c] + b[c]


def input_gradient(
    g: Any, x: Any, centre: Any, a: Any, b: Any, d: Any, out: Any, M: Any, C: Any
) -> None:
    """``out = g a + (x - centre) b + d`` with one of each for each column."""
    for block in prange((M + BLOCK - 1) // BLOCK):
        row, last = block * BLOCK, min(M, (block + 1) * BLOCK)
        for c in range(0, C // LANES * LANES, LANES):
            scale, slope = load16(a, c), load16(b, c)
            start, middle = load16(d, c), load16(centre, c)
            for r in range(row, last):
                at = r * C + c
                value = multiply_float(subtract_float(load16(x, at), middle), slope)
                value = add_float(add_float(multiply_float(load16(g, at), scale), value), start)
                store16(out, at, value)
        for c in range(C // LANES * LANES, C):
            for r in range(row, last):
                at = r * C + c
                out[at] = g[at] * a[c] + (x[at] - centre[c]) * b[c] + d[c]


# -- host functions -----------------------------------------------------------------------------

PARTS = 32  # of the rows, in sums

LARGE = 1 << 25
"""Bytes from which malloc gives fresh pages for every tensor; below, torch's own is faster."""

_sums = Kernel(sums, "g f32[], x f32[]", "norm")
_affine = Kernel(affine, "x f32[], out f32[]", "norm")
_backward = Kernel(input_gradient, "g f32[], x f32[], out f32[]", "norm")


def unsupported(x: Tensor, *parameters: Tensor) -> str | None:
    """Return why torch is to normalise ``[N, C, ...]``; None if this backend can.

    The input need not be large where sums must not depend on the number of threads, as torch's do.
    """
    if x.numel() * x.itemsize < LARGE and not torch.are_deterministic_algorithms_enabled():
        return "the input is small, and torch's own kernel is faster"
    reason = unreadable(x, *parameters)
    if reason is not None:
        return reason
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.ndim < 3 or x.shape[1] == 1:
        return f"the input is {x.dtype} {tuple(x.shape)} on {x.device}"
    if x.stride(1) != 1 or not x.movedim(1, -1).is_contiguous() or x.numel() == x.shape[1]:
        return "the channels of the input do not lie side by side"
    for t in parameters:
        if t.dtype != torch.float32 or t.shape != x.shape[1:2] or t.device != x.device:
            return f"a parameter is {t.dtype} {tuple(t.shape)} on {t.device}"
    return None


def _reference(ctx: Any) -> tuple[Arguments, Callable[..., Tensor]]:
    def compute(x: Tensor, weight: Tensor | None, bias: Tensor | None, *_: None) -> Tensor:
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=ctx.eps)

    return (*ctx.saved_tensors, None, None, None), compute


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None,
        running: tuple[Tensor, Tensor] | None, momentum: float, eps: float,
    ) -> Tensor:  # fmt: skip
        C = x.shape[1]
        M = x.numel() // C
        # Any value near the mean keeps the sums of squares small.
        centre = x.detach().movedim(1, -1).reshape(-1)[:C].numpy().copy()
        partial = np.empty((PARTS, 2, C))
        _sums(x, x, centre, partial, M, C, True, work=0.5 * x.numel())
        shift, square = partial.sum(0) / M
        mean, variance = centre + shift, np.maximum(square - shift * shift, 0.0)
        scale = 1 / np.sqrt(variance + eps)
        gain = scale if weight is None else scale * weight.detach().numpy()
        middle = mean.astype(np.float32)
        start = (middle - mean) * gain + (0.0 if bias is None else bias.detach().numpy())
        out = pool.empty((x.shape[0], *x.shape[2:], C))
        single = gain.astype(np.float32), start.astype(np.float32)
        _affine(x, middle, *single, out, M, C, work=0.5 * x.numel())
        if running is not None:
            for kept, new in zip(running, (mean, variance * (M / (M - 1))), strict=True):
                kept.lerp_(torch.from_numpy(new).to(kept.dtype), momentum)
        ctx.save_for_backward(x, weight, bias)
        ctx.scale, ctx.gain, ctx.mean, ctx.eps = scale, gain, middle, eps
        return own(out.movedim(-1, 1))

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, _ = ctx.saved_tensors
        C = x.shape[1]
        M = x.numel() // C
        g = grad.movedim(1, -1).contiguous()
        partial = np.empty((PARTS, 2, C))
        _sums(g, x, ctx.mean, partial, M, C, False, work=0.5 * x.numel())
        total, product = partial.sum(0)
        gx = None
        if ctx.needs_input_grad[0]:
            gx = pool.empty((x.shape[0], *x.shape[2:], C))
            slopes = ctx.gain, -ctx.gain * ctx.scale**2 * product / M, -ctx.gain * total / M
            single = [array.astype(np.float32) for array in slopes]
            _backward(g, x, ctx.mean, *single, gx, M, C, work=0.8 * x.numel())
            gx = gx.movedim(-1, 1)
        if weight is None:
            return gx, None, None, None, None, None
        of_weight = torch.from_numpy((product * ctx.scale).astype(np.float32))
        return gx, of_weight, torch.from_numpy(total.astype(np.float32)), None, None, None


def batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: tuple[Tensor, Tensor] | None,
    momentum: float,
    eps: float,
) -> Tensor:
    """Return ``F.batch_norm(..., training=True)``."""
    y: Tensor = _BatchNorm.apply(x, weight, bias, running, momentum, eps)
    return y
