"""The leaky ReLU as a surrogate."""

from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import FINITE, Domain, Shape


class LeakyKReLU(SurrogateFunctionBase):
    """Leaky ReLU: two constant derivatives.

    Primitive ``k * x`` where ``x >= 0``, else ``leak * x``, derivative ``k`` where ``x >= 0``,
    else ``leak``.

    Args:
        leak: derivative below the threshold; 0 is allowed.
        k: derivative above.
        spiking: False gives the primitive instead of the step.
    """

    domains: ClassVar[dict[str, Domain]] = {"leak": FINITE, "k": FINITE}

    def __init__(self, leak: Shape = 0.0, k: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, leak=leak, k=k)

    @staticmethod
    def primitive(x: Any, leak: Any, k: Any) -> Any:
        """``k * x`` where ``x >= 0``, else ``leak * x``."""
        return torch.where(x >= 0, k * x, leak * x)

    @staticmethod
    def derivative(x: Any, leak: Any, k: Any) -> Any:
        """``k`` where ``x >= 0``, else ``leak``."""
        one = torch.ones_like(x)
        return torch.where(x >= 0, k * one, leak * one)
