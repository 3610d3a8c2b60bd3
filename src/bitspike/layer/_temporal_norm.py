"""Batch normalisation that knows of time or of the threshold, and NeuNorm."""

import math
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
from bitspike.layer._memory_shape import shaped
from bitspike.layer._stepwise import Device
from bitspike.spikes import dense


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def forward(self, x_seq: Tensor) -> Tensor:
        """Normalise a whole sequence ``[T, B, C, ...]``."""
        _check_rank(self, type(self), self.num_features, x_seq, single=False)  # type: ignore[attr-defined]
        y_seq: Tensor = seq_to_ann_forward(x_seq, super().forward)  # type: ignore[misc]
        return y_seq

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"{super().extra_repr()}, step_mode='m'"  # type: ignore[misc]


class _ThresholdDependent(_SequenceNorm):
    def __init__(
        self,
        alpha: float,
        v_th: float,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        statistics = num_features, eps, momentum, affine, track_running_stats
        super().__init__(*statistics, device=device, dtype=dtype)
        if not self.affine:  # type: ignore[attr-defined]
            raise ValueError(
                f"{type(self).__name__}: alpha * v_th is the first value of the weight, so that "
                "affine must be True"
            )
        self.alpha = alpha
        self.v_th = v_th
        nn.init.constant_(self.weight, alpha * v_th)  # type: ignore[attr-defined]


class ThresholdDependentBatchNorm1d(_ThresholdDependent, nn.BatchNorm1d):
    """Threshold-dependent batch normalisation over all time steps.

    The output has the standard deviation ``alpha * v_th`` at first, so that neurons with the
    threshold ``v_th`` neither stay silent nor fire all the time::

        y = weight (x - mean) / sqrt(var + eps) + bias      weight = alpha v_th at first

    Input and output are ``[T, B, C]`` or ``[T, B, C, L]``, multi-step only.

    Args:
        alpha: 1, or less where several branches are added.
        v_th: threshold of the neurons that follow.
        num_features: channels ``C``; this and the others are those of ``torch.nn.BatchNorm1d``.

    Raises:
        ValueError: with ``affine=False``: the threshold would have no effect.

    Paper: Zheng et al., "Going Deeper With Directly-Trained Larger Spiking Neural Networks",
    AAAI 2021.
    """


class ThresholdDependentBatchNorm2d(_ThresholdDependent, nn.BatchNorm2d):
    """`ThresholdDependentBatchNorm1d` for ``[T, B, C, H, W]``."""


class ThresholdDependentBatchNorm3d(_ThresholdDependent, nn.BatchNorm3d):
    """`ThresholdDependentBatchNorm1d` for ``[T, B, C, D, H, W]``."""


class _TemporalEffective(_SequenceNorm):
    def __init__(
        self,
        T: int,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        statistics = num_features, eps, momentum, affine, track_running_stats
        super().__init__(*statistics, device=device, dtype=dtype)
        self.scale = nn.Parameter(torch.ones(T))

    def forward(self, x_seq: Tensor) -> Tensor:
        """Normalise a whole sequence ``[T, B, C, ...]``."""
        T = len(self.scale)
        if x_seq.ndim < 2 or len(x_seq) != T:
            raise ValueError(
                f"{type(self).__name__} was made for T={T} time steps, [{T}, B, C, ...], but got "
                f"shape {tuple(x_seq.shape)}"
            )
        y_seq = super().forward(x_seq)
        return y_seq * self.scale.view(-1, *[1] * (y_seq.ndim - 1))


class TemporalEffectiveBatchNorm1d(_TemporalEffective, nn.BatchNorm1d):
    """Temporal effective batch normalisation.

    Statistics, weight and bias are those of all time steps; each step has a learnable factor,
    1 at first::

        y[t] = scale[t] (weight (x[t] - mean) / sqrt(var + eps) + bias)

    Input and output are ``[T, B, C]`` or ``[T, B, C, L]``, multi-step only.

    Args:
        T: number of time steps.
        num_features: channels ``C``; this and the others are those of ``torch.nn.BatchNorm1d``.

    Raises:
        ValueError: for a sequence of another length or with another number of axes.

    Paper: Duan et al., "Temporal Effective Batch Normalization in Spiking Neural Networks",
    NeurIPS 2022.
    """


class TemporalEffectiveBatchNorm2d(_TemporalEffective, nn.BatchNorm2d):
    """`TemporalEffectiveBatchNorm1d` for ``[T, B, C, H, W]``."""


class TemporalEffectiveBatchNorm3d(_TemporalEffective, nn.BatchNorm3d):
    """`TemporalEffectiveBatchNorm1d` for ``[T, B, C, D, H, W]``."""


class _ThroughTime(MemoryModule):
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
        """Normalise one time step, ``[B, C, ...]``."""
        self._check_steps(1)
        self.t += 1
        y: Tensor = self.bn_list[self.t](x)
        return y

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Normalise a whole sequence, ``[T, B, C, ...]``, or the next part of one."""
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
        """Return the text for ``repr(net)``."""
        return f"T={self.T}, {super().extra_repr()}"


class BatchNormThroughTime1d(_ThroughTime):
    """Batch normalisation through time: ``T`` of them, one for each step since the reset.

    ::

        y[t] = weight[t] (x[t] - mean[t]) / sqrt(var[t] + eps)

    There is no bias. Input and output are ``[B, C]`` or ``[B, C, L]`` in single-step mode, with T
    before them in multi-step mode.

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

    norm = nn.BatchNorm1d


class BatchNormThroughTime2d(_ThroughTime):
    """`BatchNormThroughTime1d` for ``[B, C, H, W]`` or ``[T, B, C, H, W]``."""

    norm = nn.BatchNorm2d


class BatchNormThroughTime3d(_ThroughTime):
    """`BatchNormThroughTime1d` for ``[B, C, D, H, W]`` or ``[T, B, C, D, H, W]``."""

    norm = nn.BatchNorm3d


def neunorm_step(
    in_spikes: Tensor, state: Tensor | float, weight: Tensor, momentum: float, input_scale: float
) -> tuple[Tensor, Tensor]:
    """Run one time step of NeuNorm: the activity of all channels at a place inhibits its neurons.

    ``U[t] = momentum U[t-1] + input_scale sum_c S[t]``, ``Y[t] = S[t] - weight U[t]``

    Args:
        in_spikes: spikes ``S[t]``, ``[B, C, H, W]``.
        state: ``U[t-1]``, ``[B, 1, H, W]``, or 0 at the first step.
        weight: broadcast to ``[C, H, W]``.
        momentum: share of ``U`` that remains after a step.
        input_scale: weight of the sum over channels; ``(1 - momentum) / C**2`` in the paper.

    Returns:
        ``Y[t]``, ``[B, C, H, W]``, and ``U[t]``.

    Paper: Wu et al., Direct training for spiking neural networks: faster, larger, better, 2019.
    """
    following = momentum * state + input_scale * in_spikes.sum(dim=1, keepdim=True)
    return in_spikes - weight * following, following


class NeuNorm(MemoryModule):
    """Inhibit neurons by the activity of all channels at their place.

    ::

        X[t] = k X[t-1] + (1 - k) / in_channels^2 * sum_c S_c[t]
        Y_c[t] = S_c[t] - w_c X[t]

    Input and output are spikes ``[B, C, H, W]`` or ``[T, B, C, H, W]``.

    Args:
        in_channels: channels ``C``.
        height: ``H``.
        width: ``W``.
        k: share of ``X`` that remains after a step.
        shared_across_channels: whether all channels have the same weights ``w``.
        step_mode: ``'s'`` or ``'m'``.

    Raises:
        ValueError: for an input of another shape.
        StateError: at an input that does not fit the state of an earlier one.

    Paper: Wu et al., "Direct Training for Spiking Neural Networks: Faster, Larger, Better",
    AAAI 2019.
    """

    x: float | Tensor

    def __init__(
        self,
        in_channels: int,
        height: int,
        width: int,
        k: float = 0.9,
        shared_across_channels: bool = False,
        step_mode: str = "s",
    ) -> None:
        super().__init__()
        self.step_mode = step_mode
        self.register_memory("x", 0.0)
        self.in_channels = in_channels
        self.k0 = k
        self.k1 = (1.0 - k) / in_channels**2
        channels = 1 if shared_across_channels else in_channels
        self.w = nn.Parameter(torch.empty(channels, height, width))
        nn.init.kaiming_uniform_(self.w, a=math.sqrt(5))

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Run one time step, ``[B, C, H, W]``."""
        wanted = (self.in_channels, *self.w.shape[1:])
        if x.ndim != 4 or tuple(x.shape[1:]) != wanted:
            raise ValueError(
                f"{self._whoami()}: one time step must be [B, {', '.join(map(str, wanted))}], but "
                f"got {tuple(x.shape)}"
            )
        x = dense(x)
        state = self.memory_like("x", shaped(x, len(x), 1, *wanted[1:]))
        y, self.x = neunorm_step(self.watch(x), state, self.w, self.k0, self.k1)
        return y

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"shape={tuple(self.w.shape)}, k={self.k0}, {super().extra_repr()}"
