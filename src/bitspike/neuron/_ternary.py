"""Neurons with spikes of both signs."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_between, check_positive, check_tau
from bitspike.neuron._base import BaseNode


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

    def __init__(
        self,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        check_positive(self, "v_threshold", v_threshold)
        if v_reset is not None:
            check_between(self, "v_reset", v_reset, -self.v_threshold, self.v_threshold)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v)`` to ``(s, v)``."""
        (v,) = states
        return dynamics.ternary_if_step(
            x, v, self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset
        )


class TernaryLIFNode(TernaryIFNode):
    """Leaky integrate and fire with spikes of -1, 0 and 1, see `TernaryIFNode`.

    Charge, with ``r = v_reset`` (0 under soft reset)::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau     decay_input=True
        H[t] = V[t-1] - (V[t-1] - r) / tau + X[t]       decay_input=False

    Args:
        tau: membrane time constant in time steps, greater than 1.
        decay_input: whether the input is divided by tau as well.
    """

    def __init__(
        self,
        tau: float = 2.0,
        decay_input: bool = True,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.tau = check_tau(self, "tau", tau)
        self.decay_input = bool(decay_input)

    def step(self, x: Any, *states: Any) -> tuple[Any, ...]:
        """One time step, ``(x, v)`` to ``(s, v)``."""
        (v,) = states
        return dynamics.ternary_lif_step(
            x, v, self.tau, self.decay_input,
            self.v_threshold, self.v_reset, self.surrogate_function, self.detach_reset,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"tau={self.tau}, decay_input={self.decay_input}, {super().extra_repr()}"
