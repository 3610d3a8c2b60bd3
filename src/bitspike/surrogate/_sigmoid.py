"""The sigmoid surrogate."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class Sigmoid(SurrogateFunctionBase):
    """Logistic sigmoid: exponential tails. The default of every neuron.

    Primitive ``sigmoid(alpha * x)``, derivative
    ``alpha * sigmoid(alpha * x) * (1 - sigmoid(alpha * x))``.

    Args:
        alpha: slope; the derivative at 0 is ``alpha / 4``.
        spiking: False gives the primitive instead of the step.

    Paper: Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural networks",
    IEEE Signal Processing Magazine 2019.
    """

    def __init__(self, alpha: Shape = 4.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``sigmoid(alpha * x)``."""
        return torch.sigmoid(alpha * x)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha * sigmoid(alpha * x) * (1 - sigmoid(alpha * x))``."""
        y = torch.sigmoid(alpha * x)
        return alpha * y * (1 - y)
