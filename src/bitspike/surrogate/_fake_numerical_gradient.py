"""The surrogate of a numerical gradient."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class FakeNumericalGradient(SurrogateFunctionBase):
    """The secant ``Theta(x) / x`` of the step, clipped.

    Primitive ``sign(x) * (min(u, 1) + log(max(u, 1))) + 1/2`` with ``u = alpha * abs(x)``,
    derivative ``min(1 / abs(x), alpha)``.

    Args:
        alpha: the largest derivative, that at 0.
        spiking: False gives the primitive instead of the step.
    """

    def __init__(self, alpha: Shape = 0.3, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``sign(x) * (min(u, 1) + log(max(u, 1))) + 1/2`` with ``u = alpha * abs(x)``."""
        u = alpha * torch.where(x >= 0, x, -x)
        y = torch.where(u > 1, 1 + torch.log(torch.clamp_min(u, 1)), u)
        return torch.where(x >= 0, y, -y) + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``min(1 / abs(x), alpha)``."""
        return alpha / torch.clamp_min(alpha * torch.abs(x), 1)
