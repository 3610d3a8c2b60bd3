"""The integrate-and-fire neuron."""

from bitspike import dynamics, kernels
from bitspike.neuron._base import BaseNode


class IFNode(BaseNode):
    """Integrate and fire: a perfect integrator, no leak.

    Charge: ``H[t] = V[t-1] + X[t]``. Fire, reset and arguments: see `BaseNode`.

    Paper: Lapicque, "Recherches quantitatives sur l'excitation electrique des nerfs traitee
    comme une polarisation", 1907; in this form Abbott, Brain Research Bulletin 1999.
    """

    def equations(self) -> kernels.Neuron:
        """The neuron's equations with the parameters that it has now."""
        return self._equations(dynamics.INTEGRATE, 1.0)
