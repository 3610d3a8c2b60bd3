"""The q-pseudo-spike surrogate."""

from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import ABOVE_ONE, Domain, Shape


class QPseudoSpike(SurrogateFunctionBase):
    """A power law whose exponent is chosen; the derivative at 0 is 1.

    With ``u = 1 + 2 * abs(x) / (alpha - 1)`` and ``p = u^(1 - alpha) / 2``: primitive ``1 - p``
    where ``x >= 0``, else ``p``; derivative ``u^-alpha``.

    Args:
        alpha: exponent of the tails, above 1.
        spiking: False gives the primitive instead of the step.

    Paper: Herranz-Celotti and Rouat, "Surrogate gradients design", 2022 (arXiv:2202.00282).
    """

    domains: ClassVar[dict[str, Domain]] = {"alpha": ABOVE_ONE}

    def __init__(self, alpha: Shape = 2.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``1 - p`` where ``x >= 0``, else ``p``."""
        u = 1 + 2 / (alpha - 1) * torch.where(x >= 0, x, -x)
        p = u ** (1 - alpha) / 2
        return torch.where(x >= 0, 1 - p, p)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``u^-alpha``."""
        u = 1 + 2 / (alpha - 1) * torch.abs(x)
        return u**-alpha
