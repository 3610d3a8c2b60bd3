"""The log-tailed ReLU as a surrogate."""

from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import SurrogateFunctionBase
from bitspike.surrogate._domain import FINITE, Domain, Shape


class LogTailedReLU(SurrogateFunctionBase):
    """ReLU with a logarithmic tail, so that large potentials get small gradients.

    Primitive ``alpha * x`` where ``x <= 0``, ``x`` up to 1, ``log(x) + 1`` above, derivative
    ``alpha`` where ``x <= 0``, 1 up to ``x = 1``, ``1 / x`` above.

    Args:
        alpha: derivative below the threshold; 0 is allowed.
        spiking: False gives the primitive instead of the step.

    Paper: Cai et al., "Deep learning with low precision by half-wave Gaussian quantization",
    CVPR 2017.
    """

    domains: ClassVar[dict[str, Domain]] = {"alpha": FINITE}

    def __init__(self, alpha: Shape = 0.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        """``alpha * x`` where ``x <= 0``, ``x`` up to 1, ``log(x) + 1`` above."""
        above = torch.where(x > 1, 1 + torch.log(torch.clamp_min(x, 1)), x)
        return torch.where(x <= 0, alpha * x, above)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        """``alpha`` where ``x <= 0``, 1 up to ``x = 1``, ``1 / x`` above."""
        return torch.where(x <= 0, alpha * torch.ones_like(x), 1 / torch.clamp_min(x, 1))
