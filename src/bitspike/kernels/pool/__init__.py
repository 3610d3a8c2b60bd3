"""Pooling of spikes, with the signatures of torch's functions.

Each function returns NotImplemented where torch has to pool the unpacked tensor.
"""

from collections.abc import Callable
from typing import Any

from bitspike import dispatch
from bitspike.kernels.conv import sizes
from bitspike.spikes import SpikeTensor


def _kernels(x: Any, axes: int) -> Any:
    """Return the module that pools ``x`` ``[N, C, ...]``; None if none can."""
    fits = isinstance(x, SpikeTensor) and x.ndim == axes + 2 and x.numel() > 0
    return dispatch.choose("pool", x) if fits else None


def _max_pool(axes: int) -> Callable[..., Any]:
    def max_pool(
        x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        """Return ``F.max_pool1d`` or ``F.max_pool2d`` of spikes."""
        steps = kernel_size if stride is None or stride == [] else stride
        window = [sizes(n, axes) for n in (kernel_size, steps, padding, dilation)]
        kernels = None if None in window or return_indices else _kernels(x, axes)
        return NotImplemented if kernels is None else kernels.max_pool(x, *window, ceil_mode)

    return max_pool


max_pool1d, max_pool2d = _max_pool(1), _max_pool(2)


def avg_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Any:  # fmt: skip
    """Return ``F.avg_pool2d`` of spikes."""
    steps = kernel_size if stride is None or stride == [] else stride
    window = [sizes(n, 2) for n in (kernel_size, steps, padding)]
    kernels = None if None in window else _kernels(x, 2)
    if kernels is None:
        return NotImplemented
    return kernels.avg_pool2d(x, *window, ceil_mode, count_include_pad, divisor_override)


def _adaptive_avg_pool(axes: int) -> Callable[..., Any]:
    def adaptive_avg_pool(x: Any, output_size: Any) -> Any:
        """Return ``F.adaptive_avg_pool1d`` to 3d of spikes, to one number for each channel."""
        kernels = _kernels(x, axes) if sizes(output_size, axes) == (1,) * axes else None
        return NotImplemented if kernels is None else kernels.mean_of_plane(x)

    return adaptive_avg_pool


adaptive_avg_pool1d, adaptive_avg_pool2d = _adaptive_avg_pool(1), _adaptive_avg_pool(2)
adaptive_avg_pool3d = _adaptive_avg_pool(3)
