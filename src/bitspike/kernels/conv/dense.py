"""Convolution of dense tensors: torch's, away from what torch computes wrongly.

In torch's deterministic mode its gradients are the same to the bit for any number of threads; see
`_parts`.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.autograd import forward_ad

from bitspike import dispatch
from bitspike.kernels.runtime.deterministic import sum_of_parts

aten = torch.ops.aten

Arguments = tuple[Any, ...]
"""Stride, padding, dilation, whether transposed, output padding, groups."""


def weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, arguments: Arguments) -> Tensor:
    """Return the gradient of a convolution's weight, ``[O, C / groups, ...]``.

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
            gradients = aten.convolution_backward(grad, x, weight, None, *ctx.arguments, of_torch)
            dx, dw = (
                gradient if want else None
                for gradient, want in zip(gradients, of_torch[:2], strict=False)
            )
        if wanted[1] and by_parts:
            dw = weight_gradient(grad, x, weight, ctx.arguments)
        if wanted[2]:
            bias = grad.sum([0, *range(2, grad.ndim)])
        return dx, dw, bias, None


def skips_pixels(
    kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]
) -> bool:
    """Return whether a convolution looks at one pixel at a time and passes over others.

    The gradient of its weight must not be asked of torch where the input lies channels last: with
    fewer than 8 channels, torch 2.13 reads and writes outside of its memory, by the kernels that
    its oneDNN has for AVX2. Without the pixels that are passed over, the convolution is one of
    stride 1, which is right. ``tests/layer/test_strided_points.py`` tells when torch's own is.
    """
    return set(kernel) == {1} and max(stride) > 1 and not any(padding)


def _seen(x: Tensor, stride: tuple[int, ...]) -> Tensor:
    """Return the pixels of ``[..., C, H, W]`` that the convolution reads, laid out as ``x`` is."""
    return F.avg_pool2d(x, 1, stride)


def _is_channels_last(x: Tensor) -> bool:
    """Return whether torch may take ``[..., C, H, W]`` for channels last, as single pixels."""
    return x.stride(-3) <= x.stride(-1)


def contiguous_for_torch(module: Any, x: Any) -> Any:
    """Return ``x``, contiguous if ``module`` is a layer of torch's that is wrong otherwise.

    What our layers return lies channels last, and torch's own convolution in a container would meet
    the fault that `skips_pixels` describes.
    """
    if type(module) is not nn.Conv2d or type(x) is not Tensor or x.ndim < 3 or not x.is_cpu:
        return x
    padding = () if isinstance(module.padding, str) else module.padding  # with a stride, "valid"
    if not skips_pixels(module.kernel_size, module.stride, padding) or not _is_channels_last(x):
        return x
    return x.clone(memory_format=torch.contiguous_format)


def _by_parts(x: Tensor, weight: Tensor) -> bool:
    """Return whether `_Convolution` is to compute this convolution, instead of torch."""
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
        and dispatch.available("bits", x.device) is not None
    )


_OF_TORCH: dict[int, Callable[..., Tensor]] = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...] | str,
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """Return ``F.conv1d``, ``F.conv2d`` or ``F.conv3d`` of ``[N, C, ...]``, as ``[N, O, ...]``."""
    if padding == "valid":
        padding = (0,) * len(stride)
    if not isinstance(padding, str):
        if (
            weight.ndim == 4
            and type(x) is Tensor
            and x.ndim >= 3
            and x.numel() > 0
            and x.device.type == "cpu"
            and skips_pixels(tuple(weight.shape[2:]), stride, padding)
            and _is_channels_last(x)
        ):
            x, stride = _seen(x, stride), (1, 1)
        if _by_parts(x, weight):
            arguments = (stride, padding, dilation, False, (0,) * len(stride), groups)
            y: Tensor = _Convolution.apply(x, weight, bias, arguments)  # type: ignore[no-untyped-call]
            return y
    return _OF_TORCH[weight.ndim](x, weight, bias, stride, padding, dilation, groups)
