"""The Gaussian surrogate."""

import math
from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class Erf(SurrogateFunctionBase):
    """Gaussian: the derivative is a bell with next to no tails.

    Primitive ``erfc(-alpha * x) / 2``, derivative ``alpha / sqrt(pi) * exp(-(alpha * x)^2)``.

    Args:
        alpha: slope; the derivative at 0 is ``alpha / sqrt(pi)``.
        spiking: False gives the primitive instead of the step.

    Paper: Wu et al., "Spatio-temporal backpropagation for training high-performance spiking neural
    networks", Frontiers in Neuroscience 2018.
    """

    def __init__(self, alpha: Shape = 2.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``erfc(-alpha * x) / 2``."""
        return torch.erfc(-alpha * x) / 2

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha / sqrt(pi) * exp(-(alpha * x)^2)``."""
        u = alpha * x
        return alpha / math.sqrt(math.pi) * torch.exp(-u * u)
