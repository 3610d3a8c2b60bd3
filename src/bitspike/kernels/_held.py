"""Inputs that are held over time: every time step is the same memory."""

from typing import Any

import torch
from torch import Tensor

from bitspike.spikes import SpikeTensor


def is_held(x_seq: Tensor) -> bool:
    """Whether ``x_seq`` repeats one time step, as ``img.expand(T, *img.shape)`` does."""
    if isinstance(x_seq, SpikeTensor) or x_seq.ndim < 2 or x_seq.numel() == 0:
        return False
    return len(x_seq) > 1 and x_seq.stride(0) == 0


def held_step(x_seq: Tensor) -> Tensor | None:
    """The one time step ``[1, B, ...]`` of what `hold` has made; None of anything else."""
    return getattr(x_seq, "_held_step", None)


def once(x_seq: Tensor) -> Tensor:
    """The one time step of a held sequence, ``[1, B, ...]``."""
    step = held_step(x_seq)
    # A slice would fill its gradient up with zeros for all steps.
    return x_seq[:1] if step is None else step


class _Hold(torch.autograd.Function):
    """Expands ``[1, B, ...]`` to T steps; the gradient's sum over them lies as the input does.

    Batch norm and convolution take several times as long for a gradient in another order.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, T: int) -> Tensor:
        strides = y.stride()
        ctx.order = sorted(range(1, y.ndim), key=lambda axis: -strides[axis])
        return y.expand(T, *y.shape[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        total = grad.permute(0, *ctx.order).sum(0, keepdim=True)
        return total.movedim(tuple(range(1, grad.ndim)), tuple(ctx.order)), None


def hold(y_seq: Any, T: int) -> Any:
    """One time step ``[1, B, ...]``, or a tuple of such, as ``[T, B, ...]`` without a copy."""
    if isinstance(y_seq, tuple):
        return tuple(hold(one, T) for one in y_seq)
    held: Any = _Hold.apply(y_seq, T)  # type: ignore[no-untyped-call]
    held._held_step = y_seq
    return held
