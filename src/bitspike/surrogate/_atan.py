"""The arc tangent surrogate."""

import math
from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class ATan(SurrogateFunctionBase):
    """Arc tangent: heavy tails, cheap to compute, a good first choice.

    Primitive ``atan(pi/2 * alpha * x) / pi + 1/2``, derivative
    ``alpha/2 / (1 + (pi/2 * alpha * x)^2)``.

    Args:
        alpha: slope; the derivative at 0 is ``alpha / 2``.
        spiking: False gives the primitive instead of the step.

    Paper: Fang et al., "Incorporating learnable membrane time constant to enhance learning of
    spiking neural networks", ICCV 2021.
    """

    def __init__(self, alpha: Shape = 2.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``atan(pi/2 * alpha * x) / pi + 1/2``."""
        return torch.atan(math.pi / 2 * alpha * x) / math.pi + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha/2 / (1 + (pi/2 * alpha * x)^2)``."""
        u = math.pi / 2 * alpha * x
        return alpha / 2 / (1 + u * u)
