"""The piecewise quadratic surrogate."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class PiecewiseQuadratic(SurrogateFunctionBase):
    """Triangle: the derivative falls straight to 0 at ``abs(x) = 1 / alpha``.

    Primitive ``u - u * abs(u) / 2 + 1/2`` with ``u = clamp(alpha * x, -1, 1)``, derivative
    ``alpha * max(0, 1 - alpha * abs(x))``.

    Args:
        alpha: slope at 0; the triangle is ``2 / alpha`` wide.
        spiking: False gives the primitive instead of the step.

    Paper: Esser et al., "Convolutional networks for fast, energy-efficient neuromorphic
    computing", PNAS 2016.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``u - u * abs(u) / 2 + 1/2`` with ``u = clamp(alpha * x, -1, 1)``."""
        u = torch.clamp(alpha * x, -1, 1)
        return u - u * torch.abs(u) / 2 + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha * max(0, 1 - alpha * abs(x))``."""
        return alpha * torch.clamp_min(1 - alpha * torch.abs(x), 0)
