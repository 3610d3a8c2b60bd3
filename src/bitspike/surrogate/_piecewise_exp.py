"""The piecewise exponential surrogate."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class PiecewiseExp(SurrogateFunctionBase):
    """Two exponentials, with a cusp at the threshold.

    Primitive ``1 - e`` where ``x >= 0``, else ``e``, with ``e = exp(-alpha * abs(x)) / 2``,
    derivative ``alpha/2 * exp(-alpha * abs(x))``.

    Args:
        alpha: decay on either side; the derivative at 0 is ``alpha / 2``.
        spiking: False gives the primitive instead of the step.

    Paper: Shrestha and Orchard, "SLAYER: spike layer error reassignment in time", NeurIPS 2018.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``1 - e`` where ``x >= 0``, else ``e``, with ``e = exp(-alpha * abs(x)) / 2``."""
        e = torch.exp(-alpha * torch.where(x >= 0, x, -x)) / 2
        return torch.where(x >= 0, 1 - e, e)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha/2 * exp(-alpha * abs(x))``."""
        return alpha / 2 * torch.exp(-alpha * torch.abs(x))
