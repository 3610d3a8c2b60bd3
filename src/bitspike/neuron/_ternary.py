"""Neurons with spikes of both signs."""

from collections.abc import Callable
from typing import Any, ClassVar, Unpack

from bitspike import dynamics
from bitspike.base import check_between, check_positive, check_tau
from bitspike.neuron._arguments import Older, Potential, Steps, Surrogate
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import Demo, waves


def _ternary(
    h: Any,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool,
) -> tuple[Any, Any]:
    above, below = surrogate_function(h - v_threshold), surrogate_function(-h - v_threshold)
    s = above - below
    event = s if v_reset is None else above + below
    return s, dynamics.voltage_reset(h, event, v_threshold, v_reset, detach_reset)


def ternary_if_step(
    x: Any,
    v: Any,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `TernaryIFNode`; return ``(s, v)`` with s of -1, 0 or 1."""
    h = dynamics.if_charge(x, v)
    return _ternary(h, v_threshold, v_reset, surrogate_function, detach_reset)


class TernaryIFNode(BaseNode):
    """Integrate and fire with spikes of -1, 0 and 1.

    ::

        H[t] = V[t-1] + X[t]
        S[t] = Theta(H[t] - v_threshold) - Theta(-H[t] - v_threshold)
        V[t] = H[t] (1 - |S[t]|) + v_reset |S[t]|     hard reset
        V[t] = H[t] - v_threshold S[t]                soft reset, v_reset=None

    Arguments: see `BaseNode`.

    Raises:
        ValueError: unless ``v_threshold`` is positive and ``v_reset`` lies between the thresholds.

    Paper: Guo et al., "Ternary spike: learning ternary spikes for spiking neural networks",
    AAAI 2024.
    """

    group = "outputs"
    demo = Demo(waves(0.2))
    step_function: ClassVar[Callable[..., Any] | None] = staticmethod(ternary_if_step)

    def __init__(
        self,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        check_positive(self, "v_threshold", v_threshold)
        if v_reset is not None:
            check_between(self, "v_reset", v_reset, -self.v_threshold, self.v_threshold)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v)`` to ``(s, v)``."""
        (v,) = states
        return ternary_if_step(
            x, v, self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset
        )


def ternary_lif_step(
    x: Any,
    v: Any,
    tau: float,
    decay_input: bool,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Run one step of `TernaryLIFNode`; return ``(s, v)`` with s of -1, 0 or 1."""
    h = dynamics.lif_charge(x, v, tau, decay_input, v_reset)
    return _ternary(h, v_threshold, v_reset, surrogate_function, detach_reset)


class TernaryLIFNode(TernaryIFNode):
    """Leaky integrate and fire with spikes of -1, 0 and 1, see `TernaryIFNode`.

    Charge, with ``r = v_reset`` (0 under soft reset)::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau     decay_input=True
        H[t] = V[t-1] - (V[t-1] - r) / tau + X[t]       decay_input=False

    Arguments: see `LIFNode`.
    """

    group = "outputs"
    demo = Demo(waves(1.4))
    step_function = staticmethod(ternary_lif_step)

    def __init__(
        self,
        tau: Steps = 2.0,
        decay_input: bool = True,
        v_threshold: Potential = 1.0,
        v_reset: Potential | None = 0.0,
        surrogate_function: Surrogate | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
        **older: Unpack[Older],
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq, **older
        )
        self.tau = check_tau(self, "tau", tau)
        self.decay_input = bool(decay_input)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """Run one time step, ``(x, v)`` to ``(s, v)``."""
        (v,) = states
        return ternary_lif_step(
            x, v, self.tau, self.decay_input,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip
