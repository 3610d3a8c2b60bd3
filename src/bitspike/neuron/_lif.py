"""The leaky integrate-and-fire neuron."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_tau
from bitspike.neuron._base import BaseNode


class LIFNode(BaseNode):
    """Leaky integrate and fire.

    Charge, with ``r = v_reset`` (0 under soft reset)::

        H[t] = V[t-1] + (X[t] - (V[t-1] - r)) / tau     decay_input=True
        H[t] = V[t-1] - (V[t-1] - r) / tau + X[t]       decay_input=False

    Fire, reset and the other arguments: see `BaseNode`.

    Args:
        tau: membrane time constant in time steps, greater than 1.
        decay_input: whether the input is divided by tau as well.

    Paper: Gerstner, Kistler, Naud and Paninski, "Neuronal Dynamics", 2014, chapter 1.3.
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

    def charge(self, x: Any, v: Any) -> Any:
        """The leaky integration of the class's description."""
        return dynamics.lif_charge(x, v, self.tau, self.decay_input, self.v_reset)

    def _step_key(self) -> tuple[Any, ...] | None:
        tail = self._tail_key() if type(self) is LIFNode else None
        return None if tail is None else (dynamics.lif_charge, self.tau, self.decay_input, tail)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"tau={self.tau}, decay_input={self.decay_input}, {super().extra_repr()}"
