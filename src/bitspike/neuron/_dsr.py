"""Neurons of the training by differentiation on spike representation (DSR)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import kernels
from bitspike.base import (
    MemoryModule,
    MultiStepModule,
    check_between,
    check_count,
    check_finite,
    check_sequence,
)
from bitspike.neuron import _steps
from bitspike.neuron._describe import Describable


@dataclass(frozen=True, slots=True)
class _Code:
    """How a sequence is charged, and which rate stands for it in backward.

    Attributes:
        keep: what the membrane keeps in a step.
        gain: what enters of the input.
        weight: weight of a step in the rate, by its distance from the end in steps.
        v_scale: a spike is ``v_threshold / v_scale`` in the output, and the rate's upper bound
            ``x_scale v_threshold / v_scale``.
        x_scale: divides the gradient of the input.
        inside: whether a rate has the gradient of the identity, given the upper bound.
    """

    keep: float
    gain: float
    weight: Callable[[int], float]
    v_scale: float
    x_scale: float
    inside: Callable[[Tensor, Tensor], Tensor]

    def rate(self, x_seq: Tensor) -> Tensor:
        """The weighted mean over time, ``[T, B, ...]`` to ``[B, ...]``."""
        T = len(x_seq)
        weight = x_seq.new_tensor([self.weight(T - 1 - t) for t in range(T)])
        mean: Tensor = torch.tensordot(weight, x_seq, dims=1) / weight.sum()
        return mean


class _SpikeRepresentation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_seq: Tensor,
        v_threshold: Tensor,
        alpha: float,
        grad_scale: float,
        code: _Code,
        backend: str,
    ) -> Tensor:
        ctx.save_for_backward(x_seq, v_threshold)
        ctx.code, ctx.grad_scale = code, grad_scale
        height = v_threshold.detach().to(x_seq)

        def step(x: Any, v: Any) -> tuple[Any, Any]:
            v = code.keep * v + code.gain * x
            s = (v >= alpha * height) * height
            return s / code.v_scale, v - s

        x_seq = x_seq.detach()
        return kernels.scan(step, x_seq, [torch.zeros_like(x_seq[0])], backend=backend)[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x_seq, v_threshold = ctx.saved_tensors
        code, T = ctx.code, len(x_seq)
        rate, grad_rate = code.rate(x_seq), code.rate(grad) * T
        bound = v_threshold / code.v_scale * code.x_scale
        grad_x = torch.where(code.inside(rate, bound), grad_rate / code.x_scale, 0.0) / T
        grad_v = torch.where(rate > bound, grad_rate, 0.0).sum() * code.v_scale * ctx.grad_scale
        return grad_x.expand_as(x_seq), grad_v.to(v_threshold), None, None, None, None


class _DSRNode(Describable, MemoryModule, MultiStepModule):
    def __init__(
        self,
        T: int,
        v_threshold: float,
        alpha: float,
        v_threshold_training: bool,
        v_threshold_grad_scaling: float,
        v_threshold_lower_bound: float,
        step_mode: str,
    ) -> None:
        super().__init__()
        self.T = check_count(self, "T", T)
        bound = check_between(
            self, "v_threshold_lower_bound", v_threshold_lower_bound, 0.0, math.inf
        )
        threshold = torch.tensor(check_finite(self, "v_threshold", v_threshold))
        if v_threshold < bound:
            raise ValueError(
                f"{type(self).__name__}: v_threshold must not be below "
                f"v_threshold_lower_bound={bound:g}, but got {v_threshold!r}"
            )
        if v_threshold_training:
            self.v_threshold = nn.Parameter(threshold)
        else:
            self.register_buffer("v_threshold", threshold, persistent=False)
        self.alpha = check_finite(self, "alpha", alpha)
        if not 0.0 < self.alpha <= 1.0:
            raise ValueError(
                f"{type(self).__name__}: alpha must lie between 0 (excluded) and 1, but got "
                f"{alpha!r}"
            )
        self.v_threshold_lower_bound = bound
        self.v_threshold_grad_scaling = check_finite(
            self, "v_threshold_grad_scaling", v_threshold_grad_scaling
        )
        self.step_mode = step_mode

    def _code(self) -> _Code:
        raise NotImplementedError

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Spikes times their height, ``[T, B, ...]``, for input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        spikes: Tensor = _SpikeRepresentation.apply(  # type: ignore[no-untyped-call]
            _steps.full_precision(x_seq),
            self.v_threshold.clamp(min=self.v_threshold_lower_bound),
            self.alpha,
            self.v_threshold_grad_scaling,
            self._code(),
            self.backend,
        )
        return spikes

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"T={self.T}, v_threshold={self.v_threshold.item():g}, alpha={self.alpha}"


class DSRIFNode(_DSRNode):
    """Integrate and fire, differentiated on the mean over time rather than step by step.

    Forward, with ``V[0] = 0``::

        H[t] = V[t-1] + X[t]
        S[t] = Theta(H[t] - alpha v_threshold)
        V[t] = H[t] - v_threshold S[t],    output v_threshold S[t]

    Backward takes the mean output for ``clamp(mean over t of X, 0, v_threshold)``, and so
    differentiates by the input and by the threshold. Each call starts anew; multi-step only,
    input and output ``[T, B, ...]``.

    Args:
        T: number of time steps, for information: the input's length is what counts.
        v_threshold: threshold, and height of a spike.
        alpha: a spike comes at ``alpha v_threshold``, which lowers the error of the mean.
        v_threshold_training: whether the threshold is a parameter.
        v_threshold_grad_scaling: multiplies the threshold's gradient.
        v_threshold_lower_bound: a smaller threshold is clamped to this.
        step_mode: ``'m'``.

    Raises:
        TypeError: if an argument is not a number, or T not an integer.
        ValueError: if alpha is not in (0, 1], the threshold below its bound, the bound not
            positive, or ``step_mode`` not ``'m'``.

    Paper: Meng et al., "Training high-performance low-latency spiking neural networks by
    differentiation on spike representation", CVPR 2022.
    """

    def __init__(
        self,
        T: int = 20,
        v_threshold: float = 6.0,
        alpha: float = 0.5,
        v_threshold_training: bool = True,
        v_threshold_grad_scaling: float = 1.0,
        v_threshold_lower_bound: float = 0.01,
        step_mode: str = "m",
    ) -> None:
        super().__init__(
            T,
            v_threshold,
            alpha,
            v_threshold_training,
            v_threshold_grad_scaling,
            v_threshold_lower_bound,
            step_mode,
        )

    def _code(self) -> _Code:
        return _Code(
            keep=1.0,
            gain=1.0,
            weight=lambda _: 1.0,
            v_scale=1.0,
            x_scale=1.0,
            inside=lambda rate, bound: (rate >= 0) & (rate <= bound),
        )


class DSRLIFNode(_DSRNode):
    """Leaky integrate and fire, differentiated on the weighted mean over time.

    Forward, with ``V[0] = 0`` and ``beta = exp(-delta_t / tau)``::

        H[t] = beta V[t-1] + (1 - beta) X[t]
        S[t] = Theta(H[t] - alpha v_threshold)
        V[t] = H[t] - v_threshold S[t],    output v_threshold S[t] / delta_t

    With the mean weighted by ``beta^(T-t)``, backward takes the mean output for
    ``clamp(mean of X / tau, 0, v_threshold / delta_t)``. Each call starts anew; multi-step only,
    input and output ``[T, B, ...]``.

    Args:
        T: number of time steps, for information: the input's length is what counts.
        v_threshold: threshold.
        tau: membrane time constant, in the unit of ``delta_t``.
        delta_t: length of a time step.
        alpha: a spike comes at ``alpha v_threshold``, which lowers the error of the mean.
        v_threshold_training: whether the threshold is a parameter.
        v_threshold_grad_scaling: multiplies the threshold's gradient.
        v_threshold_lower_bound: a smaller threshold is clamped to this.
        step_mode: ``'m'``.

    Raises:
        TypeError: if an argument is not a number, or T not an integer.
        ValueError: as `DSRIFNode`, and if tau or ``delta_t`` is not positive.

    Paper: Meng et al., "Training high-performance low-latency spiking neural networks by
    differentiation on spike representation", CVPR 2022.
    """

    def __init__(
        self,
        T: int = 20,
        v_threshold: float = 1.0,
        tau: float = 2.0,
        delta_t: float = 0.05,
        alpha: float = 0.3,
        v_threshold_training: bool = True,
        v_threshold_grad_scaling: float = 1.0,
        v_threshold_lower_bound: float = 0.1,
        step_mode: str = "m",
    ) -> None:
        super().__init__(
            T,
            v_threshold,
            alpha,
            v_threshold_training,
            v_threshold_grad_scaling,
            v_threshold_lower_bound,
            step_mode,
        )
        self.tau = check_between(self, "tau", tau, 0.0, math.inf)
        self.delta_t = check_between(self, "delta_t", delta_t, 0.0, math.inf)

    def _code(self) -> _Code:
        return self._code_of(self.tau, self.delta_t)

    @staticmethod
    def _code_of(tau: float, delta_t: float) -> _Code:
        beta = math.exp(-delta_t / tau)
        return _Code(
            keep=beta,
            gain=1 - beta,
            weight=lambda age: math.exp(-delta_t / tau * age),
            v_scale=delta_t,
            x_scale=tau,
            inside=lambda rate, bound: (rate > 0) & (rate < bound),
        )

    @classmethod
    def weight_rate_spikes(cls, data: Tensor, tau: float, delta_t: float) -> Tensor:
        """The mean over time of ``data``, ``[T, B, ...]``, weighted by ``beta^(T-t)``."""
        return cls._code_of(tau, delta_t).rate(data)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"{super().extra_repr()}, tau={self.tau}, delta_t={self.delta_t}"
