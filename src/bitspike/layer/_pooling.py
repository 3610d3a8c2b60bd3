"""Torch's pooling, its undoing, and changes of shape, in both step modes.

Each takes the arguments of its ``torch.nn`` class, and ``step_mode`` after them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from bitspike.base import SPACE, check_rank, check_sequence, seq_to_ann_forward, wrong_axes
from bitspike.layer._stepwise import Size, Stepwise


class _MaxPool(Stepwise):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
        step_mode: str = "s",
    ) -> None:
        sizes = kernel_size, stride, padding, dilation
        super().__init__(*sizes, return_indices, ceil_mode, step_mode=step_mode)


class MaxPool1d(_MaxPool, nn.MaxPool1d):
    """``torch.nn.MaxPool1d`` in both step modes: ``[B, C, L]`` or ``[T, B, C, L]``."""


class MaxPool2d(_MaxPool, nn.MaxPool2d):
    """``torch.nn.MaxPool2d`` in both step modes: ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""


class MaxPool3d(_MaxPool, nn.MaxPool3d):
    """``torch.nn.MaxPool3d`` in both step modes: ``[B, C, D, H, W]`` or ``[T, B, C, D, H, W]``."""


class AvgPool1d(Stepwise, nn.AvgPool1d):
    """``torch.nn.AvgPool1d`` in both step modes: ``[B, C, L]`` or ``[T, B, C, L]``."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        step_mode: str = "s",
    ) -> None:
        sizes = kernel_size, stride, padding
        super().__init__(*sizes, ceil_mode, count_include_pad, step_mode=step_mode)


class _AvgPool(Stepwise):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        step_mode: str = "s",
    ) -> None:
        means = ceil_mode, count_include_pad, divisor_override
        super().__init__(kernel_size, stride, padding, *means, step_mode=step_mode)


class AvgPool2d(_AvgPool, nn.AvgPool2d):
    """``torch.nn.AvgPool2d`` in both step modes: ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""


class AvgPool3d(_AvgPool, nn.AvgPool3d):
    """``torch.nn.AvgPool3d`` in both step modes: ``[B, C, D, H, W]`` or ``[T, B, C, D, H, W]``."""


class _AdaptiveAvgPool(Stepwise):
    def __init__(
        self, output_size: int | tuple[int | None, ...] | None, step_mode: str = "s"
    ) -> None:
        super().__init__(output_size, step_mode=step_mode)


class AdaptiveAvgPool1d(_AdaptiveAvgPool, nn.AdaptiveAvgPool1d):
    """``torch.nn.AdaptiveAvgPool1d`` in both step modes: ``[B, C, L]`` or ``[T, B, C, L]``."""


class AdaptiveAvgPool2d(_AdaptiveAvgPool, nn.AdaptiveAvgPool2d):
    """``torch.nn.AdaptiveAvgPool2d`` in both step modes: ``[B, C, H, W]``, or T before it."""


class AdaptiveAvgPool3d(_AdaptiveAvgPool, nn.AdaptiveAvgPool3d):
    """``torch.nn.AdaptiveAvgPool3d`` in both step modes: ``[B, C, D, H, W]``, or T before it."""


class _MaxUnpool(Stepwise):
    """Takes two sequences: the indices have the shape of the input."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        step_mode: str = "s",
    ) -> None:
        super().__init__(kernel_size, stride, padding, step_mode=step_mode)

    def forward(
        self,
        input: Tensor,  # noqa: A002
        indices: Tensor,
        output_size: Sequence[int] | None = None,
    ) -> Any:
        """Undo max-pooling with ``return_indices=True``.

        Args:
            input: output of the pooling, ``[B, C, ...]`` or ``[T, B, C, ...]``.
            indices: of the same shape.
            output_size: the size of the space that was pooled, or the whole shape; None: the size
                that follows from kernel, stride and padding.

        Raises:
            ValueError: if the shapes differ, or the number of axes is not that of the layer.
        """
        if indices.shape != input.shape:
            raise ValueError(
                f"{self._whoami()}: input and indices must have one shape, but got "
                f"{tuple(input.shape)} and {tuple(indices.shape)}"
            )
        lead = input.ndim - len(self.kernel_size)  # type: ignore[attr-defined]
        if output_size is not None and len(output_size) == input.ndim:
            if tuple(output_size[:lead]) != input.shape[:lead]:
                raise ValueError(
                    f"{self._whoami()}: output_size={tuple(output_size)} as a whole shape must "
                    f"begin as the input's, {tuple(input.shape)}, does; or give the size of the "
                    "space only"
                )
            output_size = output_size[lead:]
        if self.step_mode == "m" and indices.ndim >= 2:
            indices = indices.flatten(0, 1)
        return super().forward(input, indices, output_size)


class MaxUnpool1d(_MaxUnpool, nn.MaxUnpool1d):
    """``torch.nn.MaxUnpool1d`` in both step modes: ``[B, C, L]`` or ``[T, B, C, L]``."""


class MaxUnpool2d(_MaxUnpool, nn.MaxUnpool2d):
    """``torch.nn.MaxUnpool2d`` in both step modes: ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""


class MaxUnpool3d(_MaxUnpool, nn.MaxUnpool3d):
    """``torch.nn.MaxUnpool3d`` in both step modes: ``[B, C, D, H, W]``, or T before it."""


class Flatten(Stepwise, nn.Flatten):
    """``torch.nn.Flatten`` in both step modes: axes are counted in ``[B, ...]`` in either."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1, step_mode: str = "s") -> None:
        super().__init__(start_dim, end_dim, step_mode=step_mode)

    def _check(self, x_seq: Tensor) -> None:
        least = 2 + max(self.start_dim, self.end_dim, 0)  # time, batch, and the axes up to there
        if self.start_dim and x_seq.ndim < max(least, 3):
            raise wrong_axes(self._whoami(), ["..."], x_seq.shape)

    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        if self.start_dim == 0:
            return seq_to_ann_forward(x_seq, stateless)
        check_sequence("Flatten", x_seq, ndim=2)
        start, end = (dim + 1 if dim > 0 else dim for dim in (self.start_dim, self.end_dim))
        return x_seq.flatten(start, end)  # T and B need not be merged


class Upsample(Stepwise, nn.Upsample):
    """``torch.nn.Upsample`` in both step modes: ``[B, C, ...]`` or ``[T, B, C, ...]``."""

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        step_mode: str = "s",
    ) -> None:
        how = mode, align_corners, recompute_scale_factor
        super().__init__(size, scale_factor, *how, step_mode=step_mode)

    def _check(self, x_seq: Tensor) -> None:
        sizes = self.size if self.scale_factor is None else self.scale_factor
        by_mode = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}.get(self.mode)
        space = len(sizes) if isinstance(sizes, tuple | list) else by_mode
        axes = [f"C, {SPACE[n]}" for n in (1, 2, 3) if n == space or space is None]
        check_rank(self._whoami(), axes, x_seq.shape)
