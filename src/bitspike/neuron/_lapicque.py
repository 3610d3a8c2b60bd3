"""Lapicque's neuron: an RC circuit."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bitspike import dynamics
from bitspike.base import check_positive
from bitspike.neuron._base import BaseNode


class LapicqueNode(BaseNode):
    """Lapicque's neuron: an RC circuit with a threshold (snnTorch's Lapicque).

    ::

        H[t] = V[t-1] + dt (R X[t] - V[t-1]) / (R C)

    Fire, reset and the other arguments: see `BaseNode`; the reset is soft by default.

    Args:
        R: resistance of the membrane, greater than 0.
        C: its capacitance, greater than 0; ``R C`` is the time constant.
        dt: length of a time step, less than ``R C``.

    Paper: Lapicque, "Recherches quantitatives sur l'excitation electrique des nerfs traitee
    comme une polarisation", 1907.
    """

    def __init__(
        self,
        R: float = 5.0,
        C: float = 1.0,
        dt: float = 1.0,
        v_threshold: float = 1.0,
        v_reset: float | None = None,
        surrogate_function: Callable[[Tensor], Tensor] | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        super().__init__(
            v_threshold, v_reset, surrogate_function, detach_reset, step_mode, store_v_seq
        )
        self.R = check_positive(self, "R", R)
        self.C = check_positive(self, "C", C)
        self.dt = check_positive(self, "dt", dt)
        if self.dt >= self.R * self.C:
            raise ValueError(
                f"LapicqueNode: dt must be less than R C = {self.R * self.C:g}, but got {dt!r}"
            )

    def charge(self, x: Any, v: Any) -> Any:
        """The charge of the class's description."""
        return dynamics.lif_charge(self.R * x, v, self.R * self.C / self.dt, True, None)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"R={self.R}, C={self.C}, dt={self.dt}, {super().extra_repr()}"
