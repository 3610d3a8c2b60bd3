"""Batch norm with the batch's statistics, channels last, in buffers that are used again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels.norm import numba_kernels
from bitspike.kernels.runtime.buffers import flat, pool
from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.runtime.tensors import unreadable
from bitspike.spikes._words import own

PARTS = 32  # of the rows, in sums

LARGE = 1 << 25
"""Bytes from which malloc gives fresh pages for every tensor; below, torch's own is faster."""

_squares = Kernel(numba_kernels.squares, "norm")
_products = Kernel(numba_kernels.products, "norm")
_affine = Kernel(numba_kernels.affine, "norm")
_backward = Kernel(numba_kernels.backward, "norm")


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
        values = flat(x.movedim(1, -1))
        centre = values[:C].copy()  # any value near the mean keeps the sums of squares small
        sums = np.empty((PARTS, 2, C))
        _squares(values, centre, sums, M, C, work=0.5 * x.numel())
        shift, square = sums.sum(0) / M
        mean, variance = centre + shift, np.maximum(square - shift * shift, 0.0)
        scale = 1 / np.sqrt(variance + eps)
        gain = scale if weight is None else scale * weight.detach().numpy()
        middle = mean.astype(np.float32)
        start = (middle - mean) * gain + (0.0 if bias is None else bias.detach().numpy())
        out = pool.empty((x.shape[0], *x.shape[2:], C), torch.float32)
        single = gain.astype(np.float32), start.astype(np.float32)
        _affine(values, middle, *single, flat(out), M, C, work=0.5 * x.numel())
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
        values, g = flat(x.movedim(1, -1)), flat(grad.movedim(1, -1).contiguous())
        sums = np.empty((PARTS, 2, C))
        _products(g, values, ctx.mean, sums, M, C, work=0.5 * x.numel())
        total, product = sums.sum(0)
        gx = None
        if ctx.needs_input_grad[0]:
            gx = pool.empty((x.shape[0], *x.shape[2:], C), torch.float32)
            slopes = ctx.gain, -ctx.gain * ctx.scale**2 * product / M, -ctx.gain * total / M
            single = [array.astype(np.float32) for array in slopes]
            _backward(g, values, ctx.mean, *single, flat(gx), M, C, work=0.8 * x.numel())
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
    """The same as ``F.batch_norm(..., training=True)``; see `supports`."""
    y: Tensor = _BatchNorm.apply(x, weight, bias, running, momentum, eps)
    return y
