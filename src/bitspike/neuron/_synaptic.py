"""Neurons whose input first passes a synapse with a memory of its own."""

import math
from typing import Any, ClassVar, Unpack

from bitspike import dynamics
from bitspike.base import check_between, check_finite
from bitspike.neuron._arguments import Older, Potential, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, beats, pulse
from bitspike.surrogate import Rect


def cuba_lif_step(
    x: Any,
    current: Any,
    v: Any,
    current_decay: float,
    voltage_decay: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any, Any]:
    """Run one step of `CUBALIFNode` and `SynapticNode`; return ``(s, current, v)``."""
    current, h = dynamics.cuba_charge(x, current, v, current_decay, voltage_decay)
    s, v = dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return s, current, v


class CUBALIFNode(BaseNode):
    """Current-based leaky integrate and fire.

    ::

        C[t] = c_decay C[t-1] + X[t]
        H[t] = v_decay V[t-1] + C[t]

    Fire, reset and the other arguments: see `BaseNode`. The step mode is set by
    ``functional.set_step_mode`` or by assignment.

    Args:
        c_decay: part of the current that a step leaves.
        v_decay: part of the potential that a step leaves.

    Paper: Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning", IEEE
    Micro 2018.
    """

    group = "currents"
    demo = Demo(pulse(0.1, 0.3))
    step_function = staticmethod(cuba_lif_step)

    state_names: ClassVar[tuple[str, ...]] = ("v", "c")

    def __init__(
        self,
        c_decay: float = 0.5,
        v_decay: float = 0.75,
        v_threshold: Potential = 0.5,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(v_threshold, v_reset, surrogate_function or Rect(), **older)
        self.register_memory("c", 0.0)
        self.c_decay = check_finite(self, "c_decay", c_decay)
        self.v_decay = check_finite(self, "v_decay", v_decay)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v, c)`` to ``(s, v, c)``."""
        v, c = states
        s, c, v = cuba_lif_step(
            x, c, v, self.c_decay, self.v_decay,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
        return s, v, c


class SynapticNode(BaseNode):
    """Leaky integrate and fire with an exponential synaptic current (snnTorch's Synaptic).

    ::

        I[t] = alpha I[t-1] + X[t]
        H[t] = beta V[t-1] + I[t]

    Fire, reset and the other arguments: see `BaseNode`; the reset is soft by default.

    Args:
        alpha: part of the current that a step leaves, between 0 and 1.
        beta: part of the potential that a step leaves, between 0 and 1.
    """

    group = "currents"
    demo = Demo(beats(0.5), {"alpha": 0.7, "v_reset": 0.0})

    state_names: ClassVar[tuple[str, ...]] = ("v", "i")

    def __init__(
        self,
        alpha: float = 0.9,
        beta: float = 0.8,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = None,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        self.alpha = check_between(self, "alpha", alpha, 0.0, 1.0)
        self.beta = check_between(self, "beta", beta, 0.0, 1.0)
        self.register_memory("i", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v, i)`` to ``(s, v, i)``."""
        v, i = states
        s, i, v = cuba_lif_step(
            x, i, v, self.alpha, self.beta,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
        return s, v, i


def alpha_step(
    x: Any,
    v: Any,
    rising: Any,
    falling: Any,
    alpha: Any,
    beta: Any,
    v_threshold: Any,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any, Any, Any]:
    """Run one step of `AlphaNode`; return ``(s, v, rising, falling)``."""
    rising = alpha * rising + x
    falling = beta * falling - x
    scale = math.log(alpha) / (math.log(beta) - math.log(alpha)) + 1.0
    h = v + scale * (rising + falling)
    s, v = dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return s, v, rising, falling


class AlphaNode(BaseNode):
    """A neuron whose answer to an input spike rises and falls (snnTorch's Alpha).

    ::

        R[t] = alpha R[t-1] + X[t]
        F[t] = beta F[t-1] - X[t]
        H[t] = V[t-1] + k (R[t] + F[t])      k = ln(alpha) / (ln(beta) - ln(alpha)) + 1

    Here the potential integrates that answer. Fire, reset and the other arguments: see
    `BaseNode`; the reset is soft by default.

    Args:
        alpha: decay of the rising part, between 0 and 1, greater than ``beta``.
        beta: decay of the falling part, between 0 and 1.

    Raises:
        ValueError: if ``alpha`` is not greater than ``beta``.
    """

    group = "currents"
    demo = Demo(beats(0.3), {"v_reset": 0.0})
    step_function = staticmethod(alpha_step)

    state_names: ClassVar[tuple[str, ...]] = ("v", "rising", "falling")

    def __init__(
        self,
        alpha: float = 0.9,
        beta: float = 0.8,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = None,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        self.alpha = check_between(self, "alpha", alpha, 0.0, 1.0)
        self.beta = check_between(self, "beta", beta, 0.0, 1.0)
        if self.alpha <= self.beta:
            raise ValueError(
                f"AlphaNode: alpha must be greater than beta, but got {alpha!r} and {beta!r}"
            )
        self.register_memory("rising", 0.0)
        self.register_memory("falling", 0.0)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v, rising, falling)`` to ``(s, v, rising, falling)``."""
        v, rising, falling = states
        return alpha_step(
            x, v, rising, falling, self.alpha, self.beta,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
