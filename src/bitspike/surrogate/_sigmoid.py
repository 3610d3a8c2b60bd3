"""Surrogates whose derivative is a symmetric bump: from a Gaussian to tails of a power law."""

import math
from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import (
    ABOVE_ONE,
    Domain,
    Functional,
    Shape,
    SurrogateFunctionBase,
    gradient_form,
)


class Sigmoid(SurrogateFunctionBase):
    """Logistic sigmoid: exponential tails. The default of every neuron.

    Primitive ``s = sigmoid(alpha * x)``, derivative ``alpha * s * (1 - s)``, at 0 ``alpha / 4``.

    Paper: Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural networks",
    IEEE Signal Processing Magazine 2019.
    """

    def __init__(self, alpha: Shape = 4.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        return torch.sigmoid(alpha * x)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        y = torch.sigmoid(alpha * x)
        return alpha * y * (1 - y)


class ATan(SurrogateFunctionBase):
    """Arc tangent: heavy tails, cheap to compute, a good first choice.

    Primitive ``atan(pi/2 * alpha * x) / pi + 1/2``, derivative
    ``alpha/2 / (1 + (pi/2 * alpha * x)^2)``, at 0 ``alpha / 2``.

    Paper: Fang et al., "Incorporating learnable membrane time constant to enhance learning of
    spiking neural networks", ICCV 2021.
    """

    def __init__(self, alpha: Shape = 2.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        return torch.atan(math.pi / 2 * alpha * x) / math.pi + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        u = math.pi / 2 * alpha * x
        return alpha / 2 / (1 + u * u)


class Erf(SurrogateFunctionBase):
    """Gaussian: a bell with next to no tails.

    Primitive ``erfc(-alpha * x) / 2``, derivative ``alpha / sqrt(pi) * exp(-(alpha * x)^2)``.

    Paper: Wu et al., "Spatio-temporal backpropagation for training high-performance spiking neural
    networks", Frontiers in Neuroscience 2018.
    """

    def __init__(self, alpha: Shape = 2.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        return torch.erfc(-alpha * x) / 2

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        u = alpha * x
        return alpha / math.sqrt(math.pi) * torch.exp(-u * u)


class SoftSign(SurrogateFunctionBase):
    """Fast sigmoid: quadratic tails without an exponential.

    Primitive ``alpha * x / (1 + alpha * abs(x)) / 2 + 1/2``, derivative
    ``alpha/2 / (1 + alpha * abs(x))^2``, at 0 ``alpha / 2``.

    Paper: Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural networks",
    IEEE Signal Processing Magazine 2019.
    """

    def __init__(self, alpha: Shape = 2.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        u = alpha * x
        return u / (1 + torch.abs(u)) / 2 + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        u = 1 + alpha * torch.abs(x)
        return alpha / 2 / (u * u)


class SuperSpike(SurrogateFunctionBase):
    """Fast sigmoid of fixed width, scaled by ``alpha``.

    Primitive ``alpha * x / (1 + abs(x)) + 1/2``, derivative ``alpha / (1 + abs(x))^2``.

    Paper: Zenke and Ganguli, "SuperSpike: supervised learning in multi-layer spiking neural
    networks", Neural Computation 2018.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        return alpha * (x / (1 + torch.abs(x))) + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        u = 1 + torch.abs(x)
        return alpha / (u * u)


class QPseudoSpike(SurrogateFunctionBase):
    """Power law with the exponent ``alpha``, above 1; the derivative at 0 is 1.

    With ``u = 1 + 2 * abs(x) / (alpha - 1)`` and ``p = u^(1 - alpha) / 2``: primitive ``1 - p``
    where ``x >= 0``, else ``p``; derivative ``u^-alpha``.

    Paper: Herranz-Celotti and Rouat, "Surrogate gradients design", 2022 (arXiv:2202.00282).
    """

    domains: ClassVar[dict[str, Domain]] = {"alpha": ABOVE_ONE}

    def __init__(self, alpha: Shape = 2.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        u = 1 + 2 / (alpha - 1) * torch.where(x >= 0, x, -x)
        p = u ** (1 - alpha) / 2
        return torch.where(x >= 0, 1 - p, p)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        u = 1 + 2 / (alpha - 1) * torch.abs(x)
        return u**-alpha


sigmoid = Functional(Sigmoid)
atan = Functional(ATan)
erf = Functional(Erf)
soft_sign = Functional(SoftSign)
super_spike = Functional(SuperSpike)
q_pseudo_spike = Functional(QPseudoSpike)
sigmoid_backward = gradient_form(Sigmoid.derivative)
atan_backward = gradient_form(ATan.derivative)
erf_backward = gradient_form(Erf.derivative)
soft_sign_backward = gradient_form(SoftSign.derivative)
super_spike_backward = gradient_form(SuperSpike.derivative)
