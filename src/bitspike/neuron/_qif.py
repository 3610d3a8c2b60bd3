"""The quadratic integrate-and-fire neuron."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_finite, check_positive, check_tau
from bitspike.neuron._base import BaseNode


class QIFNode(BaseNode):
    """Quadratic integrate and fire: the potential runs away by itself above ``v_c``.

    Charge: ``H[t] = V[t-1] + (X[t] + a0 (V[t-1] - v_rest) (V[t-1] - v_c)) / tau``. Fire, reset and
    the other arguments: see `BaseNode`.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        v_c: critical potential.
        a0: strength of the quadratic term, greater than 0.
        v_threshold: threshold of the membrane potential.
        v_rest: resting potential.

    Paper: Gerstner, Kistler, Naud and Paninski, "Neuronal Dynamics", 2014, chapter 5.3.
    """

    def __init__(
        self,
        tau: float = 2.0,
        v_c: float = 0.8,
        a0: float = 1.0,
        v_threshold: float = 1.0,
        v_rest: float = 0.0,
        v_reset: float | None = -0.1,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.tau = check_tau(self, "tau", tau)
        self.v_c = check_finite(self, "v_c", v_c)
        self.a0 = check_positive(self, "a0", a0)
        self.v_rest = check_finite(self, "v_rest", v_rest)

    def charge(self, x: Any, v: Any) -> Any:
        """The charge of the class's description."""
        return dynamics.qif_charge(x, v, self.tau, self.a0, self.v_rest, self.v_c)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        own = f"tau={self.tau}, v_c={self.v_c}, a0={self.a0}, v_rest={self.v_rest}"
        return f"{own}, {super().extra_repr()}"
