"""Surrogates that hand the gradient through unchanged (straight-through estimators)."""

from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import SurrogateFunctionBase


class DeterministicPass(SurrogateFunctionBase):
    """Straight-through estimator: the step forward, the identity backward.

    Primitive ``x``, derivative 1.

    Args:
        spiking: False gives the primitive instead of the step.

    Paper: Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic
    neurons for conditional computation", 2013 (arXiv:1308.3432).
    """

    def __init__(self, spiking: bool = True) -> None:
        super().__init__(spiking)

    @staticmethod
    def primitive(x: Any) -> Any:
        """``x``."""
        return x

    @staticmethod
    def derivative(x: Any) -> Any:
        """1."""
        return torch.ones_like(x)


class PoissonPass(DeterministicPass):
    """Straight-through estimator of a random spike: ``x`` is the probability to fire.

    Primitive ``x``, derivative 1.

    Args:
        spiking: False gives the primitive instead of spikes.

    Raises:
        ValueError: in the forward pass, if ``x`` is not between 0 and 1.

    Paper: as `DeterministicPass`.
    """

    deterministic: ClassVar[bool] = False

    @staticmethod
    def fire(x: Any) -> Any:
        """1 with probability ``x``, else 0, from torch's global generator."""
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError(
                "surrogate.PoissonPass: its input is the probability to fire and must lie between "
                f"0 and 1, but lies between {x.min().item():.3g} and {x.max().item():.3g}"
            )
        return torch.bernoulli(x)
