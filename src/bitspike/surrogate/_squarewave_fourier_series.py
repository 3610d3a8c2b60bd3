"""The surrogate of a square wave's Fourier series."""

import math
from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import COUNT, Domain, Shape


class SquarewaveFourierSeries(SurrogateFunctionBase):
    """The first ``n - 1`` terms of a square wave's Fourier series; it never dies out.

    With ``w = 2 * pi / T_period`` and sums over i from 1 to ``n - 1``: primitive
    ``1/2 + 2/pi * sum(sin((2i - 1) * w * x) / (2i - 1))``, derivative
    ``4 / T_period * sum(cos((2i - 1) * w * x))``.

    Args:
        n: number of terms, plus one.
        T_period: period of the square wave.
        spiking: False gives the primitive instead of the step.
    """

    domains: ClassVar[dict[str, Domain]] = {"n": COUNT}

    def __init__(self, n: int = 2, T_period: Shape = 8, spiking: bool = True) -> None:
        super().__init__(spiking, n=n, T_period=T_period)

    @staticmethod
    def primitive(x: Any, n: Any, T_period: Any) -> Any:
        """``1/2 + 2/pi * sum(sin((2i - 1) * w * x) / (2i - 1))``."""
        turn = x / T_period - torch.round(x / T_period)
        y = 0 * x
        i = 1
        while i < n:
            k = 2 * i - 1
            y = y + torch.sin(2 * math.pi * k * turn) / k
            i += 1
        return 0.5 + 2 / math.pi * y

    @staticmethod
    def derivative(x: Any, n: Any, T_period: Any) -> Any:
        """``4 / T_period * sum(cos((2i - 1) * w * x))``."""
        turn = x / T_period - torch.round(x / T_period)
        y = 0 * x
        i = 1
        while i < n:
            y = y + torch.cos(2 * math.pi * (2 * i - 1) * turn)
            i += 1
        return 4 / T_period * y
