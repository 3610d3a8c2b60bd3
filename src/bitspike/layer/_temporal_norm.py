"""Batch normalisation that knows of time, or of the threshold."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bitspike.base import (
    MemoryModule,
    MultiStepModule,
    StepModule,
    check_channels,
    check_rank,
    seq_to_ann_forward,
    step_axes,
)


def _check_rank(
    module: StepModule, kind: type[Any], channels: int, x_seq: Tensor, single: bool = True
) -> None:
    axes = step_axes(kind)
    if len(axes) > 1:
        check_channels(module, channels, x_seq, single)
    else:
        check_rank(module._whoami(), axes, x_seq.shape, single)


class _SequenceNorm(MultiStepModule):
    """Mixin before ``nn.BatchNorm*d``: statistics over ``T * B``, sequences only."""

    def forward(self, x_seq: Tensor) -> Tensor:
        """A whole sequence ``[T, B, C, ...]``."""
        _check_rank(self, type(self), self.num_features, x_seq, single=False)  # type: ignore[attr-defined]
        y_seq: Tensor = seq_to_ann_forward(x_seq, super().forward)  # type: ignore[misc]
        return y_seq

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"{super().extra_repr()}, step_mode='m'"  # type: ignore[misc]


class _ThresholdDependent(_SequenceNorm):
    """Threshold-dependent batch normalisation over all time steps.

    The output has the standard deviation ``alpha * v_th`` at first, so that neurons with the
    threshold ``v_th`` neither stay silent nor fire all the time::

        y = weight (x - mean) / sqrt(var + eps) + bias      weight = alpha v_th at first

    Input and output are ``[T, B, C, ...]``, multi-step only, with as many further axes as
    ``torch.nn.BatchNorm*d`` wants.

    Args:
        alpha: 1, or less where several branches are added.
        v_th: threshold of the neurons that follow.
        *args: those of ``torch.nn.BatchNorm*d``: ``num_features``, ``eps``, ...
        **kwargs: the same.

    Raises:
        ValueError: with ``affine=False``: the threshold would have no effect.

    Paper: Zheng et al., "Going Deeper With Directly-Trained Larger Spiking Neural Networks",
    AAAI 2021.
    """

    def __init__(self, alpha: float, v_th: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.affine:  # type: ignore[attr-defined]
            raise ValueError(
                f"{type(self).__name__}: alpha * v_th is the first value of the weight, so that "
                "affine must be True"
            )
        self.alpha = alpha
        self.v_th = v_th
        nn.init.constant_(self.weight, alpha * v_th)  # type: ignore[attr-defined]


class _TemporalEffective(_SequenceNorm):
    """Temporal effective batch normalisation.

    Statistics, weight and bias are those of all time steps; each step has a learnable factor,
    1 at first::

        y[t] = scale[t] (weight (x[t] - mean) / sqrt(var + eps) + bias)

    Input and output are ``[T, B, C, ...]``, multi-step only, with as many further axes as
    ``torch.nn.BatchNorm*d`` wants.

    Args:
        T: number of time steps.
        *args: those of ``torch.nn.BatchNorm*d``: ``num_features``, ``eps``, ...
        **kwargs: the same.

    Raises:
        ValueError: for a sequence of another length or with another number of axes.

    Paper: Duan et al., "Temporal Effective Batch Normalization in Spiking Neural Networks",
    NeurIPS 2022.
    """

    def __init__(self, T: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scale = nn.Parameter(torch.ones(T))

    def forward(self, x_seq: Tensor) -> Tensor:
        """A whole sequence ``[T, B, C, ...]``."""
        T = len(self.scale)
        if x_seq.ndim < 2 or len(x_seq) != T:
            raise ValueError(
                f"{type(self).__name__} was made for T={T} time steps, [{T}, B, C, ...], but got "
                f"shape {tuple(x_seq.shape)}"
            )
        y_seq = super().forward(x_seq)
        return y_seq * self.scale.view(-1, *[1] * (y_seq.ndim - 1))


class _ThroughTime(MemoryModule):
    """Batch normalisation through time: one for each step.

    ::

        y[t] = weight[t] (x[t] - mean[t]) / sqrt(var[t] + eps)

    There is no bias. The module counts the steps since the reset. Input and output are
    ``[T, B, C, ...]`` in multi-step mode and ``[B, C, ...]`` in single-step mode, with as many
    further axes as ``torch.nn.BatchNorm*d`` wants.

    Args:
        T: number of time steps.
        num_features: channels ``C``.
        eps: added to the variance.
        momentum: share of the new value in the running statistics.
        affine: whether there are weights.
        track_running_stats: whether evaluation uses running statistics.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        RuntimeError: at more than ``T`` steps without a reset.
        ValueError: at a sequence with another number of axes.

    Paper: Kim and Panda, "Revisiting Batch Normalization for Training Low-Latency Deep Spiking
    Neural Networks From Scratch", Frontiers in Neuroscience 2021.
    """

    norm: ClassVar[type[nn.Module]]
    t: int

    def __init__(
        self,
        T: int,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        step_mode: str = "s",
    ) -> None:
        super().__init__()
        self.bn_list = nn.ModuleList(
            self.norm(num_features, eps, momentum, affine, track_running_stats) for _ in range(T)
        )
        for norm in self.bn_list:
            norm.register_parameter("bias", None)
        self.T = T
        self.num_features = num_features
        self.step_mode = step_mode
        self.register_memory("t", -1)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """One time step, ``[B, C, ...]``."""
        self._check_steps(1)
        self.t += 1
        y: Tensor = self.bn_list[self.t](x)
        return y

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """A whole sequence, ``[T, B, C, ...]``, or the next part of one."""
        _check_rank(self, self.norm, self.num_features, x_seq)
        self._check_steps(len(x_seq))
        y_seq: Tensor = super().multi_step_forward(x_seq)
        return y_seq

    def _check_steps(self, steps: int) -> None:
        seen = self.t + 1
        if seen + steps > self.T:
            raise RuntimeError(
                f"{self._whoami()} was made for T={self.T} time steps; {seen} are over and "
                f"{steps} more came. Call functional.reset_net(net) after each batch."
            )

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"T={self.T}, {super().extra_repr()}"


# The classes below inherit the docstring of their family.


class ThresholdDependentBatchNorm1d(_ThresholdDependent, nn.BatchNorm1d): ...


class ThresholdDependentBatchNorm2d(_ThresholdDependent, nn.BatchNorm2d): ...


class ThresholdDependentBatchNorm3d(_ThresholdDependent, nn.BatchNorm3d): ...


class TemporalEffectiveBatchNorm1d(_TemporalEffective, nn.BatchNorm1d): ...


class TemporalEffectiveBatchNorm2d(_TemporalEffective, nn.BatchNorm2d): ...


class TemporalEffectiveBatchNorm3d(_TemporalEffective, nn.BatchNorm3d): ...


class BatchNormThroughTime1d(_ThroughTime):
    norm = nn.BatchNorm1d


class BatchNormThroughTime2d(_ThroughTime):
    norm = nn.BatchNorm2d


class BatchNormThroughTime3d(_ThroughTime):
    norm = nn.BatchNorm3d
