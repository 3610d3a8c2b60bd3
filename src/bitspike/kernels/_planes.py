"""Convolution and pooling of spikes, and the engine's ways between bits and numbers."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels import _dispatch
from bitspike.spikes import SpikeTensor, _bits
from bitspike.spikes._tensor import functions


def _sizes(value: Any, axes: int) -> tuple[int, ...] | None:
    """An argument of a layer as one number for each axis; None if it is something else."""
    if isinstance(value, int):
        return (value,) * axes
    values = tuple(value) if isinstance(value, list | tuple) else ()
    if len(values) == 1:
        values *= axes
    return values if len(values) == axes and all(isinstance(n, int) for n in values) else None


def _padding(padding: Any, kernel: torch.Size, dilation: tuple[int, ...] | None) -> Any:
    """The numbers that ``'same'`` and ``'valid'`` mean, if both sides get the same."""
    if padding == "valid":
        return 0
    if padding != "same" or dilation is None:
        return padding
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return None if any(n % 2 for n in total) else [n // 2 for n in total]


def _conv(axes: int) -> Callable[..., Any]:
    """``F.conv1d``, ``F.conv2d`` or ``F.conv3d`` of spikes."""

    def conv(
        x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Any:  # fmt: skip
        def obstacle() -> str | None:
            if not isinstance(x, SpikeTensor) or isinstance(weight, SpikeTensor):
                return "only the input of a convolution may be spikes"
            from bitspike.kernels.numba import conv as fast

            return fast.supports(x, weight, bias)

        if not isinstance(x, SpikeTensor) or x.ndim != axes + 2 or x.numel() == 0:
            return NotImplemented
        every = _sizes(dilation, axes)
        if padding == "same" and _sizes(stride, axes) != (1,) * axes:
            return NotImplemented  # torch says that this does not go together
        sizes = _sizes(stride, axes), _sizes(_padding(padding, weight.shape[2:], every), axes)
        if None in (*sizes, every) or min(sizes[0] or ()) < 1:
            return NotImplemented
        if _dispatch.choose("auto", obstacle) != "numba":
            return NotImplemented
        from bitspike.kernels.numba import conv as fast

        if not torch.is_autocast_enabled("cpu"):
            return fast.conv(x, weight, bias, *sizes, every, groups)  # type: ignore[arg-type]
        low = torch.get_autocast_dtype("cpu")
        weight, bias = (None if t is None else t.to(low).to(x.dtype) for t in (weight, bias))
        return fast.conv(x, weight, bias, *sizes, every, groups).to(low)  # type: ignore[arg-type]

    return conv


def _pools(x: Any, axes: int) -> bool:
    """Whether the kernels pool ``x``."""

    def obstacle() -> str | None:
        from bitspike.kernels.numba import pool

        return pool.supports(x)

    fits = isinstance(x, SpikeTensor) and x.ndim == axes + 2 and x.numel() > 0
    return fits and _dispatch.choose("auto", obstacle) == "numba"


def _max_pool(axes: int) -> Callable[..., Any]:
    """``F.max_pool1d`` or ``F.max_pool2d`` of spikes."""

    def max_pool(
        x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        steps = kernel_size if stride is None or stride == [] else stride
        sizes = [_sizes(n, axes) for n in (kernel_size, steps, padding, dilation)]
        if None in sizes or return_indices or not _pools(x, axes):
            return NotImplemented
        from bitspike.kernels.numba import pool

        kernel, step, around, apart = sizes
        return pool.max_pool(x, kernel, step, around, apart, ceil_mode)  # type: ignore[arg-type]

    return max_pool


def _avg_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Any:  # fmt: skip
    """``F.avg_pool2d`` of spikes."""
    steps = kernel_size if stride is None or stride == [] else stride
    sizes = [_sizes(n, 2) for n in (kernel_size, steps, padding)]
    if None in sizes or not _pools(x, 2):
        return NotImplemented
    from bitspike.kernels.numba import pool

    return pool.avg_pool2d(x, *sizes, ceil_mode, count_include_pad, divisor_override)


def _adaptive_avg_pool(axes: int) -> Callable[..., Any]:
    """``F.adaptive_avg_pool1d`` to 3d of spikes, to one number for each channel."""

    def adaptive_avg_pool(x: Any, output_size: Any) -> Any:
        if _sizes(output_size, axes) != (1,) * axes or not _pools(x, axes):
            return NotImplemented
        from bitspike.kernels.numba import pool

        return pool.mean_of_plane(x)

    return adaptive_avg_pool


def channels_last(x: Tensor) -> Tensor:
    """``x``, laid out so that what a convolution makes of it goes through the kernels uncopied.

    A convolution returns the memory format of its input. With channels last, batch norm takes a
    third of the time, and convolution, time loop and pooling follow without a copy.
    """
    if isinstance(x, SpikeTensor) or x.device.type != "cpu" or x.ndim != 4:
        return x
    if not x.is_floating_point() or _dispatch.choose("auto", lambda: None) != "numba":
        return x
    if x.shape[1] > 1:
        return x.contiguous(memory_format=torch.channels_last)
    # One channel lies the same in both formats; its stride tells torch which is meant.
    x = x.contiguous()
    return x.as_strided(x.shape, (x.stride(0), 1, *x.stride()[2:]))


def is_channels_last(x_seq: Tensor) -> bool:
    """Whether the features of ``[T, B, C, ...]`` lie side by side with the channels last."""
    if x_seq.ndim < 4 or x_seq.stride(2) != 1 or x_seq.shape[2] == 1:
        return False
    return x_seq.movedim(2, -1)[0, 0].is_contiguous()


def _runs(words: Tensor, dtype: torch.dtype) -> bool:
    """Whether the kernels convert; what they cannot never raises, since nobody asked for it."""
    if _dispatch.choose("auto", lambda: None) != "numba":
        return False
    from bitspike.kernels.numba import bits

    return bits.supports(words.device, dtype) is None


def _pack(x: Tensor) -> Tensor | None:
    if not _runs(x, x.dtype):
        return None
    from bitspike.kernels.numba import bits

    return bits.pack(x)


def _unpack(words: Tensor, features: int, dtype: torch.dtype) -> Tensor | None:
    if not _runs(words, dtype):
        return None
    from bitspike.kernels.numba import bits

    return bits.unpack(words, features, dtype)


def _reorder(words: Tensor, target: Tensor) -> Tensor | None:
    if not _runs(words, torch.float32):
        return None
    from bitspike.kernels.numba import bits

    return bits.reorder(words, target)


functions[F.conv1d], functions[F.conv2d], functions[F.conv3d] = _conv(1), _conv(2), _conv(3)
functions[torch.max_pool1d] = functions[F.max_pool1d] = _max_pool(1)
functions[torch.max_pool2d] = functions[F.max_pool2d] = _max_pool(2)
functions[F.avg_pool2d] = _avg_pool2d
functions[F.adaptive_avg_pool1d] = _adaptive_avg_pool(1)
functions[F.adaptive_avg_pool2d] = _adaptive_avg_pool(2)
functions[F.adaptive_avg_pool3d] = _adaptive_avg_pool(3)
_bits.fast_pack, _bits.fast_unpack, _bits.fast_reorder = _pack, _unpack, _reorder
