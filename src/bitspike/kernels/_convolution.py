"""Convolution whose gradients are the same to the bit for any number of threads; see `_parts`."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bitspike.kernels import _dispatch
from bitspike.kernels._parts import sum_of_parts

aten = torch.ops.aten

Arguments = tuple[Any, ...]
"""Stride, padding, dilation, whether transposed, output padding, groups."""


def weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, arguments: Arguments) -> Tensor:
    """The gradient of a convolution's weight, ``[O, C / groups, ...]``.

    Args:
        grad: gradient of the output, ``[N, O, ...]``.
        x: the input, ``[N, C, ...]``.
        weight: the weight, of which only the form counts.
        arguments: of ``aten.convolution``, after the bias.
    """

    def of_part(grad: Tensor, x: Tensor) -> Tensor:
        wanted = [False, True, False]
        part: Tensor = aten.convolution_backward(grad, x, weight, None, *arguments, wanted)[1]
        return part

    return sum_of_parts(of_part, grad, x, products=grad.numel() * weight[0].numel())


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, arguments: Arguments
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.arguments = arguments
        y: Tensor = aten.convolution(x, weight, bias, *arguments)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:3])
        by_parts = not torch.is_grad_enabled()  # else the gradients are differentiated again
        of_torch = [wanted[0], wanted[1] and not by_parts, False]
        dx = dw = bias = None
        if any(of_torch):
            found = aten.convolution_backward(grad, x, weight, None, *ctx.arguments, of_torch)
            dx, dw = (one if want else None for one, want in zip(found, of_torch[:2], strict=False))
        if wanted[1] and by_parts:
            dw = weight_gradient(grad, x, weight, ctx.arguments)
        if wanted[2]:
            bias = grad.sum([0, *range(2, grad.ndim)])
        return dx, dw, bias, None


def convolves(x: Tensor, weight: Tensor) -> bool:
    """Whether `convolution` is to compute this one, instead of torch."""
    return (
        torch.are_deterministic_algorithms_enabled()
        and torch.is_grad_enabled()
        and weight.requires_grad
        and type(x) is Tensor
        and x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype
        and x.ndim == weight.ndim
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        and forward_ad._current_level < 0
        and _dispatch.permits("numba")
    )


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """The same as ``F.conv2d`` and its like, ``[N, C, ...]`` to ``[N, O, ...]``."""
    none = (0,) * len(stride)
    arguments = (stride, padding, dilation, False, none, groups)
    y: Tensor = _Convolution.apply(x, weight, bias, arguments)  # type: ignore[no-untyped-call]
    return y
