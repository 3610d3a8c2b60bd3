"""The soft sign surrogate."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class SoftSign(SurrogateFunctionBase):
    """Fast sigmoid: quadratic tails without an exponential.

    Primitive ``alpha * x / (1 + alpha * abs(x)) / 2 + 1/2``, derivative ``alpha/2 / (1 + alpha *
    abs(x))^2``.

    Args:
        alpha: slope; the derivative at 0 is ``alpha / 2``.
        spiking: False gives the primitive instead of the step.

    Paper: Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural networks",
    IEEE Signal Processing Magazine 2019.
    """

    def __init__(self, alpha: Shape = 2.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``alpha * x / (1 + alpha * abs(x)) / 2 + 1/2``."""
        u = alpha * x
        return u / (1 + torch.abs(u)) / 2 + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha/2 / (1 + alpha * abs(x))^2``."""
        u = 1 + alpha * torch.abs(x)
        return alpha / 2 / (u * u)
