"""The exponential integrate-and-fire neuron."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_finite, check_positive, check_tau
from bitspike.neuron._base import BaseNode


class EIFNode(BaseNode):
    """Exponential integrate and fire: a soft onset of the spike at ``theta_rh``.

    Charge::

        H[t] = V[t-1] + (X[t] + v_rest - V[t-1] + delta_T exp((V[t-1] - theta_rh) / delta_T)) / tau

    Fire, reset and the other arguments: see `BaseNode`.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        delta_T: sharpness of the onset, greater than 0.
        theta_rh: rheobase threshold, where the onset begins.
        v_threshold: threshold of the membrane potential.
        v_rest: resting potential.

    Paper: Fourcaud-Trocme et al., "How spike generation mechanisms determine the neuronal
    response to fluctuating inputs", Journal of Neuroscience 2003.
    """

    def __init__(
        self,
        tau: float = 2.0,
        delta_T: float = 1.0,
        theta_rh: float = 0.8,
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
        self.delta_T = check_positive(self, "delta_T", delta_T)
        self.theta_rh = check_finite(self, "theta_rh", theta_rh)
        self.v_rest = check_finite(self, "v_rest", v_rest)

    def charge(self, x: Any, v: Any) -> Any:
        """The charge of the class's description."""
        return dynamics.eif_charge(x, v, self.tau, self.delta_T, self.theta_rh, self.v_rest)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        own = f"tau={self.tau}, delta_T={self.delta_T}, theta_rh={self.theta_rh}"
        return f"{own}, v_rest={self.v_rest}, {super().extra_repr()}"
