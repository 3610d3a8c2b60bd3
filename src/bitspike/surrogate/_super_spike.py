"""The surrogate of SuperSpike."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class SuperSpike(SurrogateFunctionBase):
    """Fast sigmoid of fixed width, scaled.

    Primitive ``alpha * x / (1 + abs(x)) + 1/2``, derivative ``alpha / (1 + abs(x))^2``.

    Args:
        alpha: height; the derivative at 0 is ``alpha``.
        spiking: False gives the primitive instead of the step.

    Paper: Zenke and Ganguli, "SuperSpike: supervised learning in multi-layer spiking neural
    networks", Neural Computation 2018.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``alpha * x / (1 + abs(x)) + 1/2``."""
        return alpha * (x / (1 + torch.abs(x))) + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha / (1 + abs(x))^2``."""
        u = 1 + torch.abs(x)
        return alpha / (u * u)
