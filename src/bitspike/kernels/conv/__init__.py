"""Convolutions of spikes, with the signatures of torch's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitspike import dispatch
from bitspike.spikes import SpikeTensor


def sizes(value: Any, axes: int) -> tuple[int, ...] | None:
    """Return an argument of a layer as one number for each axis; None if it is something else."""
    if isinstance(value, int):
        return (value,) * axes
    values = tuple(value) if isinstance(value, list | tuple) else ()
    if len(values) == 1:
        values *= axes
    return values if len(values) == axes and all(isinstance(n, int) for n in values) else None


def _padding(padding: Any, kernel: torch.Size, dilation: tuple[int, ...] | None) -> Any:
    """Return the numbers for ``'same'`` and ``'valid'``, if both sides get the same."""
    if padding == "valid":
        return 0
    if padding != "same" or dilation is None:
        return padding
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return None if any(n % 2 for n in total) else [n // 2 for n in total]


def _conv(axes: int) -> Callable[..., Any]:
    def conv(
        x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Any:  # fmt: skip
        """Return the convolution of spikes; NotImplemented where torch has to unpack them."""
        if not isinstance(x, SpikeTensor) or x.ndim != axes + 2 or x.numel() == 0:
            return NotImplemented
        steps, apart = sizes(stride, axes), sizes(dilation, axes)
        if padding == "same" and steps != (1,) * axes:
            return NotImplemented  # torch says that this does not go together
        around = sizes(_padding(padding, weight.shape[2:], apart), axes)
        if steps is None or apart is None or around is None or min(steps) < 1:
            return NotImplemented
        kernels = dispatch.choose("conv", x, weight, bias)
        if kernels is None:
            return NotImplemented
        if not torch.is_autocast_enabled("cpu"):
            return kernels.conv(x, weight, bias, steps, around, apart, groups)
        low = torch.get_autocast_dtype("cpu")
        weight, bias = (None if t is None else t.to(low).to(x.dtype) for t in (weight, bias))
        return kernels.conv(x, weight, bias, steps, around, apart, groups).to(low)

    return conv


conv1d, conv2d, conv3d = _conv(1), _conv(2), _conv(3)


def channels_last(x: Tensor) -> Tensor:
    """Return ``x`` laid out so that its convolution goes through the kernels without a copy.

    A convolution returns the memory format of its input. With channels last, batch norm takes a
    third of the time, and convolution, time loop and pooling follow without a copy.
    """
    if isinstance(x, SpikeTensor) or x.device.type != "cpu" or x.ndim != 4:
        return x
    if not x.is_floating_point() or dispatch.choose("bits", x.device) is None:
        return x
    if x.shape[1] > 1:
        return x.contiguous(memory_format=torch.channels_last)
    # One channel lies the same in both formats; its stride tells torch which is meant.
    x = x.contiguous()
    return x.as_strided(x.shape, (x.stride(0), 1, *x.stride()[2:]))
