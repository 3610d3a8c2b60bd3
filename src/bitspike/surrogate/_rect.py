"""The rectangular surrogate."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class Rect(SurrogateFunctionBase):
    """A window with an area of 1: the straight line through the threshold, clipped.

    Primitive ``clamp(alpha * x + 1/2, 0, 1)``, derivative ``alpha`` where ``abs(x) < 1 / (2 *
    alpha)``, else ``0``.

    Args:
        alpha: height of the window; it is ``1 / alpha`` wide.
        spiking: False gives the primitive instead of the step.

    Paper: Wu et al., "Spatio-temporal backpropagation for training high-performance spiking neural
    networks", Frontiers in Neuroscience 2018.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``clamp(alpha * x + 1/2, 0, 1)``."""
        return torch.clamp(alpha * x + 0.5, 0, 1)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha`` where ``abs(x) < 1 / (2 * alpha)``, else ``0``."""
        one = torch.ones_like(x)
        return torch.where(torch.abs(x) < 0.5 / alpha, alpha * one, 0 * one)
