"""The logarithmic surrogate."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class NonzeroSignLogAbs(SurrogateFunctionBase):
    """Logarithm: a cusp, and tails so heavy that the primitive has no bounds.

    Primitive ``sign(x) * log(1 + alpha * abs(x))``, derivative ``1 / (1/alpha + abs(x))``.

    Args:
        alpha: slope; the derivative at 0 is ``alpha``.
        spiking: False gives the primitive instead of the step.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``sign(x) * log(1 + alpha * abs(x))``."""
        y = torch.log(1 + alpha * torch.where(x >= 0, x, -x))
        return torch.where(x >= 0, y, -y)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``1 / (1/alpha + abs(x))``."""
        return 1 / (1 / alpha + torch.abs(x))
