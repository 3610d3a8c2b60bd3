"""The stateless layers: each is torch's own behind `Stepwise`."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import (
    SPACE,
    StepModule,
    check_channels,
    check_rank,
    check_sequence,
    seq_to_ann_forward,
    wrong_axes,
)
from bitspike.kernels._held import hold, once
from bitspike.layer._stepwise import Stepwise

# Stepwise writes the docstrings.


class Linear(Stepwise, nn.Linear):
    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        check_sequence("Linear", x_seq, ndim=2)
        return stateless(x_seq)  # only the last axis matters: T and B need not be merged


class _OnKernels(StepModule):
    """A convolution by way of `kernels.convolution`, in either step mode."""

    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
        padding = self.padding
        if self.padding_mode != "zeros":
            around = self._reversed_padding_repeated_twice
            input, padding = F.pad(input, around, mode=self.padding_mode), "valid"  # noqa: A001
        sizes = self.stride, padding, self.dilation, self.groups
        return kernels.convolution(input, weight, bias, *sizes)


class Conv1d(_OnKernels, Stepwise, nn.Conv1d): ...


class Conv2d(_OnKernels, Stepwise, nn.Conv2d):
    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        return seq_to_ann_forward(x_seq, lambda x: stateless(kernels.channels_last(x)))


class Conv3d(_OnKernels, Stepwise, nn.Conv3d): ...


class ConvTranspose1d(Stepwise, nn.ConvTranspose1d): ...


class ConvTranspose2d(Stepwise, nn.ConvTranspose2d): ...


class ConvTranspose3d(Stepwise, nn.ConvTranspose3d): ...


class _HeldStatistics(StepModule):
    """Batch norm of a held input: its statistics over ``T * B`` from those over ``B``."""

    def _held(self: Any, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        T, step = len(x_seq), once(x_seq)
        one = step.numel() // step.shape[2]  # values of a channel in a step
        if one < 2:
            return self._sequence(x_seq, stateless)
        before = None if self.running_var is None else self.running_var.clone()
        y_seq = hold(self._sequence(step, stateless), T)
        if before is not None and self.training:
            # Mean and variance are the same; the unbiased variance counts more values.
            momentum = self.momentum
            if momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
            unbias = T * (one - 1) / (T * one - 1)
            with torch.no_grad():
                kept = before * (1 - momentum)
                # By .data, as batch norm itself does it: autograd has saved the tensor, but its
                # backward does not look at it in training.
                self.running_var.data.copy_(kept + (self.running_var - kept) * unbias)
        return y_seq


class BatchNorm1d(_HeldStatistics, Stepwise, nn.BatchNorm1d):
    def _check(self, x_seq: Tensor) -> None:
        check_channels(self, self.num_features, x_seq)


class BatchNorm2d(_HeldStatistics, Stepwise, nn.BatchNorm2d):
    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        with kernels.BatchNormOnKernels():
            return seq_to_ann_forward(x_seq, stateless)


class BatchNorm3d(_HeldStatistics, Stepwise, nn.BatchNorm3d): ...


class GroupNorm(Stepwise, nn.GroupNorm):
    def _check(self, x_seq: Tensor) -> None:
        if x_seq.ndim < 3 or x_seq.shape[2] != self.num_channels:
            raise wrong_axes(self._whoami(), [f"C={self.num_channels}, ..."], x_seq.shape)


class MaxPool1d(Stepwise, nn.MaxPool1d): ...


class MaxPool2d(Stepwise, nn.MaxPool2d): ...


class MaxPool3d(Stepwise, nn.MaxPool3d): ...


class AvgPool1d(Stepwise, nn.AvgPool1d): ...


class AvgPool2d(Stepwise, nn.AvgPool2d): ...


class AvgPool3d(Stepwise, nn.AvgPool3d): ...


class AdaptiveAvgPool1d(Stepwise, nn.AdaptiveAvgPool1d): ...


class AdaptiveAvgPool2d(Stepwise, nn.AdaptiveAvgPool2d): ...


class AdaptiveAvgPool3d(Stepwise, nn.AdaptiveAvgPool3d): ...


class Flatten(Stepwise, nn.Flatten):
    def _check(self, x_seq: Tensor) -> None:
        least = 2 + max(self.start_dim, self.end_dim, 0)  # axes of time, batch and what is named
        if self.start_dim and x_seq.ndim < max(least, 3):
            raise wrong_axes(self._whoami(), ["..."], x_seq.shape)

    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        if self.start_dim == 0:
            return seq_to_ann_forward(x_seq, stateless)
        check_sequence("Flatten", x_seq, ndim=2)
        start, end = (dim + 1 if dim > 0 else dim for dim in (self.start_dim, self.end_dim))
        return x_seq.flatten(start, end)  # as it lies: T and B need not be merged


class Upsample(Stepwise, nn.Upsample):
    def _check(self, x_seq: Tensor) -> None:
        sizes = self.size if self.scale_factor is None else self.scale_factor
        space = len(sizes) if isinstance(sizes, tuple | list) else _DIMENSIONS.get(self.mode)
        axes = [f"C, {SPACE[n]}" for n in (1, 2, 3) if n == space or space is None]
        check_rank(self._whoami(), axes, x_seq.shape)


_DIMENSIONS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
