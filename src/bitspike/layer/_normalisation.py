"""Torch's normalisation in both step modes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.base import check_channels, seq_to_ann_forward, wrong_axes
from bitspike.kernels import BatchNormOnKernels, constant_step, repeat_step
from bitspike.layer._stepwise import Device, Stepwise


class _BatchNorm(Stepwise):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        step_mode: str = "s",
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype,
            step_mode=step_mode, **_bias(bias),
        )  # fmt: skip

    def _held(self: Any, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        """Normalise a held input: its statistics over ``T * B`` from those over ``B``."""
        T, step = len(x_seq), constant_step(x_seq)
        count = step.numel() // step.shape[2]  # values of a channel in a step
        if count < 2:
            return self._sequence(x_seq, stateless)
        before = None if self.running_var is None else self.running_var.clone()
        y_seq = repeat_step(self._sequence(step, stateless), T)
        if before is not None and self.training:
            # Mean and variance are the same; the unbiased variance counts more values.
            momentum = self.momentum
            if momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
            unbias = T * (count - 1) / (T * count - 1)
            with torch.no_grad():
                kept = before * (1 - momentum)
                # By .data, as batch norm itself does it: autograd has saved the tensor, but its
                # backward does not look at it in training.
                self.running_var.data.copy_(kept + (self.running_var - kept) * unbias)
        return y_seq


def _bias(bias: bool) -> dict[str, bool]:
    """Return the argument ``bias``, which torch has from 2.13 on, where it is not the default."""
    return {} if bias else {"bias": False}


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """``torch.nn.BatchNorm1d`` in both step modes: ``[B, C]``, ``[B, C, L]``, or T before them.

    In multi-step mode the statistics are those of ``T * B`` samples.
    """

    def _check(self, x_seq: Tensor) -> None:
        check_channels(self, self.num_features, x_seq)


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` in both step modes: ``[B, C, H, W]`` or ``[T, B, C, H, W]``.

    In multi-step mode the statistics are those of ``T * B`` samples.
    """

    def _sequence(self, x_seq: Tensor, stateless: Callable[[Tensor], Any]) -> Any:
        with BatchNormOnKernels():
            return seq_to_ann_forward(x_seq, stateless)


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """``torch.nn.BatchNorm3d`` in both step modes: ``[B, C, D, H, W]``, or T before it.

    In multi-step mode the statistics are those of ``T * B`` samples.
    """


class GroupNorm(Stepwise, nn.GroupNorm):
    """``torch.nn.GroupNorm`` in both step modes: ``[B, C, ...]`` or ``[T, B, C, ...]``."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        step_mode: str = "s",
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        options = {"device": device, "dtype": dtype, **_bias(bias)}
        super().__init__(num_groups, num_channels, eps, affine, step_mode=step_mode, **options)

    def _check(self, x_seq: Tensor) -> None:
        if x_seq.ndim < 3 or x_seq.shape[2] != self.num_channels:
            raise wrong_axes(self._whoami(), [f"C={self.num_channels}, ..."], x_seq.shape)
