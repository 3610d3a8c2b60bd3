"""The piecewise leaky surrogate."""

from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import FINITE, Domain, Shape


class PiecewiseLeakyReLU(SurrogateFunctionBase):
    """A window of width ``2 * w`` with an area of 1, and a constant leak outside.

    Primitive ``x / (2 * w) + 1/2`` inside of the window, ``c * (x + w)`` below, ``c * (x - w) +
    1`` above, derivative ``1 / (2 * w)`` where ``abs(x) < w``, else ``c``.

    Args:
        w: half the width of the window.
        c: derivative outside of the window; 0 is allowed.
        spiking: False gives the primitive instead of the step.

    Paper: Wu et al., "Spatio-temporal backpropagation for training high-performance spiking neural
    networks", Frontiers in Neuroscience 2018 (without leak).
    """

    domains: ClassVar[dict[str, Domain]] = {"c": FINITE}

    def __init__(self, w: Shape = 1.0, c: Shape = 0.01, spiking: bool = True) -> None:
        super().__init__(spiking, w=w, c=c)

    @staticmethod
    def primitive(x: Any, w: Any, c: Any) -> Any:
        """Inside of the window, below and above, see the class."""
        outside = torch.where(x < 0, c * (x + w), c * (x - w) + 1)
        return torch.where(torch.abs(x) < w, x / (2 * w) + 0.5, outside)

    @staticmethod
    def derivative(x: Any, w: Any, c: Any) -> Any:
        """``1 / (2 * w)`` where ``abs(x) < w``, else ``c``."""
        one = torch.ones_like(x)
        return torch.where(torch.abs(x) < w, one / (2 * w), c * one)
