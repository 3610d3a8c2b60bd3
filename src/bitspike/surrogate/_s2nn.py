"""The asymmetric surrogate of S2NN."""

from typing import Any

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import Shape


class S2NN(SurrogateFunctionBase):
    """Sigmoid below the threshold, logarithm above it.

    Primitive ``sigmoid(alpha * x)`` where ``x < 0``, else ``beta * log(1 + x) + 1/2``; derivative
    ``alpha * s * (1 - s)`` with ``s = sigmoid(alpha * x)`` where ``x < 0``, else
    ``beta / (1 + x)``.

    Args:
        alpha: slope below; the derivative just below 0 is ``alpha / 4``.
        beta: scale above; the derivative at 0 is ``beta``.
        spiking: False gives the primitive instead of the step.

    Paper: Suetake et al., "S2NN: time step reduction of spiking surrogate gradients for training
    energy efficient single-step neural networks", 2022 (arXiv:2201.10879).
    """

    def __init__(self, alpha: Shape = 4.0, beta: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha, beta=beta)

    @staticmethod
    def primitive(x: Any, alpha: Any, beta: Any) -> Any:
        """``sigmoid(alpha * x)`` where ``x < 0``, else ``beta * log(1 + x) + 1/2``."""
        above = beta * torch.log(1 + torch.clamp_min(x, 0)) + 0.5
        return torch.where(x < 0, torch.sigmoid(alpha * x), above)

    @staticmethod
    def derivative(x: Any, alpha: Any, beta: Any) -> Any:
        """The sigmoid's where ``x < 0``, else ``beta / (1 + x)``."""
        s = torch.sigmoid(alpha * x)
        return torch.where(x < 0, alpha * s * (1 - s), beta / (1 + torch.clamp_min(x, 0)))
