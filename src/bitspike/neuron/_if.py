"""The integrate-and-fire neuron."""

from typing import Any

from bitspike import dynamics
from bitspike.neuron._base import BaseNode


class IFNode(BaseNode):
    """Integrate and fire: a perfect integrator, no leak.

    Charge: ``H[t] = V[t-1] + X[t]``. Fire, reset and arguments: see `BaseNode`.

    Paper: Lapicque, "Recherches quantitatives sur l'excitation electrique des nerfs traitee
    comme une polarisation", 1907; in this form Abbott, Brain Research Bulletin 1999.
    """

    def charge(self, x: Any, v: Any) -> Any:
        """``V[t-1] + X[t]``."""
        return dynamics.if_charge(x, v)

    def _step_key(self) -> tuple[Any, ...] | None:
        tail = self._tail_key() if type(self) is IFNode else None
        return None if tail is None else (dynamics.if_charge, tail)
