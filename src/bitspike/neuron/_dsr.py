"""Neurons of the training by differentiation on spike representation (DSR)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Unpack

import torch
from torch import Tensor, nn

from bitspike.base import (
    MemoryModule,
    MultiStepModule,
    check_between,
    check_count,
    check_finite,
    check_sequence,
)
from bitspike.neuron._arguments import Older, Potential, StepCount, Unit
from bitspike.neuron._catalogue import Demo, Describable, pulse
from bitspike.neuron._run import full_precision, run


@dataclass(frozen=True, slots=True)
class _Code:
    """How a sequence is charged, and which rate stands for it in backward.

    Attributes:
        tau: membrane time constant; None for an integrator without leak.
        delta_t: length of a time step.
    """

    tau: float | None = None
    delta_t: float = 1.0

    @property
    def keep(self) -> float:
        """The part of the potential that a step leaves."""
        return 1.0 if self.tau is None else math.exp(-self.delta_t / self.tau)

    def charge(self, x: Any, v: Any) -> Any:
        """Return the potential before the spike."""
        gain = 1.0 if self.tau is None else 1 - self.keep
        return self.keep * v + gain * x

    def _weight(self, age: int) -> float:
        """Return the weight in the rate of the step that is ``age`` steps before the last."""
        return 1.0 if self.tau is None else math.exp(-self.delta_t / self.tau * age)

    def inside(self, rate: Tensor, bound: Tensor) -> Tensor:
        """Return whether the rate has the gradient of the identity."""
        if self.tau is None:
            return (rate >= 0) & (rate <= bound)
        return (rate > 0) & (rate < bound)

    def rate(self, x_seq: Tensor) -> Tensor:
        """Return the weighted mean over time, ``[T, B, ...]`` to ``[B, ...]``."""
        T = len(x_seq)
        weight = x_seq.new_tensor([self._weight(T - 1 - t) for t in range(T)])
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
            v = code.charge(x, v)
            s = (v >= alpha * height) * height
            return s / code.delta_t, v - s

        x_seq = x_seq.detach()
        return run(step, x_seq, [torch.zeros_like(x_seq[0])], backend=backend)[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x_seq, v_threshold = ctx.saved_tensors
        code, T = ctx.code, len(x_seq)
        rate, grad_rate = code.rate(x_seq), code.rate(grad) * T
        scale = 1.0 if code.tau is None else code.tau
        bound = v_threshold / code.delta_t * scale
        grad_x = torch.where(code.inside(rate, bound), grad_rate / scale, 0.0) / T
        grad_v = torch.where(rate > bound, grad_rate, 0.0).sum() * code.delta_t * ctx.grad_scale
        return grad_x.expand_as(x_seq), grad_v.to(v_threshold), None, None, None, None


class _DSRNode(Describable, MemoryModule, MultiStepModule):
    """Base of the two neurons. Each call starts anew; input and output are ``[T, B, ...]``.

    Args:
        T: number of time steps, for information: the length of the input counts.
        v_threshold: threshold.
        alpha: a spike comes at ``alpha v_threshold``, which lowers the error of the mean.
        v_threshold_training: whether the threshold is a parameter.
        v_threshold_grad_scaling: factor of the gradient of the threshold.
        v_threshold_lower_bound: a smaller threshold is clamped to this.
        step_mode: ``'m'``.

    Raises:
        TypeError: if an argument is not a number, or T not an integer.
        ValueError: if alpha is not in (0, 1], the threshold below its bound, the bound not
            positive, or ``step_mode`` not ``'m'``.
    """

    v_threshold: Tensor

    def __init__(
        self,
        T: StepCount,
        v_threshold: Potential,
        alpha: float,
        v_threshold_training: bool,
        v_threshold_grad_scaling: float,
        v_threshold_lower_bound: Potential,
        step_mode: str,
        **older: Unpack[Older],
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
        self._accept(older)

    def _code(self) -> _Code:
        return _Code()

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """Return the spikes times their height, ``[T, B, ...]``, for input ``[T, B, ...]``."""
        check_sequence(self, x_seq)
        spikes: Tensor = _SpikeRepresentation.apply(  # type: ignore[no-untyped-call]
            full_precision(x_seq),
            self.v_threshold.clamp(min=self.v_threshold_lower_bound),
            self.alpha,
            self.v_threshold_grad_scaling,
            self._code(),
            self.backend,
        )
        return spikes


def _membrane(
    node: _DSRNode, x_seq: Sequence[float], y_seq: Sequence[float]
) -> tuple[list[float], list[float], float]:
    """Return potentials after and before the spikes, and the level at which the node fires."""
    threshold, v = float(node.v_threshold), 0.0
    after, before = [], []
    for x, y in zip(x_seq, y_seq, strict=True):
        before.append(node._code().charge(x, v))
        v = before[-1] - (threshold if y else 0.0)
        after.append(v)
    return after, before, node.alpha * threshold


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
        v_threshold: threshold, and height of a spike.

    Paper: Meng et al., "Training high-performance low-latency spiking neural networks by
    differentiation on spike representation", CVPR 2022.
    """

    group = "training"
    demo = Demo(pulse(0.8, 3.0), tested={"v_threshold": 1.0}, without=("parts",), replay=_membrane)

    def __init__(
        self,
        T: StepCount = 20,
        v_threshold: Potential = 6.0,
        alpha: float = 0.5,
        v_threshold_training: bool = True,
        v_threshold_grad_scaling: float = 1.0,
        v_threshold_lower_bound: Potential = 0.01,
        step_mode: str = "m",
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            T, v_threshold, alpha, v_threshold_training,
            v_threshold_grad_scaling, v_threshold_lower_bound, step_mode, **older,
        )  # fmt: skip


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
        tau: membrane time constant, in the unit of ``delta_t``.
        delta_t: length of a time step.

    Raises:
        ValueError: if tau or ``delta_t`` is not positive.

    Paper: Meng et al., "Training high-performance low-latency spiking neural networks by
    differentiation on spike representation", CVPR 2022.
    """

    group = "training"
    demo = Demo(
        pulse(12.0, 30.0), tested={"v_threshold": 0.1}, without=("parts",), replay=_membrane
    )

    def __init__(
        self,
        T: StepCount = 20,
        v_threshold: Potential = 1.0,
        tau: Annotated[float, Unit("as delta_t")] = 2.0,
        delta_t: float = 0.05,
        alpha: float = 0.3,
        v_threshold_training: bool = True,
        v_threshold_grad_scaling: float = 1.0,
        v_threshold_lower_bound: Potential = 0.1,
        step_mode: str = "m",
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            T, v_threshold, alpha, v_threshold_training,
            v_threshold_grad_scaling, v_threshold_lower_bound, step_mode, **older,
        )  # fmt: skip
        self.tau = check_between(self, "tau", tau, 0.0, math.inf)
        self.delta_t = check_between(self, "delta_t", delta_t, 0.0, math.inf)

    def _code(self) -> _Code:
        return _Code(self.tau, self.delta_t)

    @classmethod
    def weight_rate_spikes(cls, data: Tensor, tau: float, delta_t: float) -> Tensor:
        """Return the mean over time of ``data``, ``[T, B, ...]``, weighted by ``beta^(T-t)``."""
        return _Code(tau, delta_t).rate(data)
