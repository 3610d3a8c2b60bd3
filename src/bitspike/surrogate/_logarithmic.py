"""Surrogates with exponentials, logarithms and sines on one or on both sides of the threshold."""

import math
from typing import Any, ClassVar

import torch

from bitspike.surrogate._base import (
    COUNT,
    FINITE,
    Domain,
    Functional,
    Shape,
    SurrogateFunctionBase,
    gradient_form,
)


class PiecewiseExp(SurrogateFunctionBase):
    """Two exponentials, with a cusp at the threshold; ``alpha`` is their decay.

    Primitive ``1 - e`` where ``x >= 0``, else ``e``, with ``e = exp(-alpha * abs(x)) / 2``,
    derivative ``alpha/2 * exp(-alpha * abs(x))``.

    Paper: Shrestha and Orchard, "SLAYER: spike layer error reassignment in time", NeurIPS 2018.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        e = torch.exp(-alpha * torch.where(x >= 0, x, -x)) / 2
        return torch.where(x >= 0, 1 - e, e)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        return alpha / 2 * torch.exp(-alpha * torch.abs(x))


class NonzeroSignLogAbs(SurrogateFunctionBase):
    """Logarithm: a cusp, and tails so heavy that the primitive has no bounds.

    Primitive ``sign(x) * log(1 + alpha * abs(x))``, derivative ``1 / (1/alpha + abs(x))``.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        y = torch.log(1 + alpha * torch.where(x >= 0, x, -x))
        return torch.where(x >= 0, y, -y)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        return 1 / (1 / alpha + torch.abs(x))


class FakeNumericalGradient(SurrogateFunctionBase):
    """The secant ``Theta(x) / x`` of the step, clipped at ``alpha``.

    Primitive ``sign(x) * (min(u, 1) + log(max(u, 1))) + 1/2`` with ``u = alpha * abs(x)``,
    derivative ``min(1 / abs(x), alpha)``.
    """

    def __init__(self, alpha: Shape = 0.3, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        u = alpha * torch.where(x >= 0, x, -x)
        y = torch.where(u > 1, 1 + torch.log(torch.clamp_min(u, 1)), u)
        return torch.where(x >= 0, y, -y) + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        return alpha / torch.clamp_min(alpha * torch.abs(x), 1)


class LogTailedReLU(SurrogateFunctionBase):
    """ReLU with a logarithmic tail, so that large potentials get small gradients.

    Primitive ``alpha * x`` where ``x <= 0``, ``x`` up to 1, ``log(x) + 1`` above; derivative
    ``alpha``, which may be 0, where ``x <= 0``, 1 up to ``x = 1``, ``1 / x`` above.

    Paper: Cai et al., "Deep learning with low precision by half-wave Gaussian quantization",
    CVPR 2017.
    """

    domains: ClassVar[dict[str, Domain]] = {"alpha": FINITE}

    def __init__(self, alpha: Shape = 0.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        above = torch.where(x > 1, 1 + torch.log(torch.clamp_min(x, 1)), x)
        return torch.where(x <= 0, alpha * x, above)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        return torch.where(x <= 0, alpha * torch.ones_like(x), 1 / torch.clamp_min(x, 1))


class S2NN(SurrogateFunctionBase):
    """Sigmoid below the threshold, logarithm scaled by ``beta`` above it.

    Primitive ``s = sigmoid(alpha * x)`` where ``x < 0``, else ``beta * log(1 + x) + 1/2``;
    derivative ``alpha * s * (1 - s)`` where ``x < 0``, else ``beta / (1 + x)``.

    Paper: Suetake et al., "S2NN: time step reduction of spiking surrogate gradients for training
    energy efficient single-step neural networks", 2022 (arXiv:2201.10879).
    """

    def __init__(self, alpha: Shape = 4.0, beta: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha, beta=beta)

    @staticmethod
    def primitive(x: Any, alpha: Any, beta: Any) -> Any:
        above = beta * torch.log(1 + torch.clamp_min(x, 0)) + 0.5
        return torch.where(x < 0, torch.sigmoid(alpha * x), above)

    @staticmethod
    def derivative(x: Any, alpha: Any, beta: Any) -> Any:
        s = torch.sigmoid(alpha * x)
        return torch.where(x < 0, alpha * s * (1 - s), beta / (1 + torch.clamp_min(x, 0)))


class SquarewaveFourierSeries(SurrogateFunctionBase):
    """The first ``n - 1`` terms of the Fourier series of a square wave of period ``T_period``.

    It never dies out. With ``w = 2 * pi / T_period`` and sums over i from 1 to ``n - 1``:
    primitive ``1/2 + 2/pi * sum(sin((2i - 1) * w * x) / (2i - 1))``, derivative
    ``4 / T_period * sum(cos((2i - 1) * w * x))``.
    """

    domains: ClassVar[dict[str, Domain]] = {"n": COUNT}

    def __init__(self, n: int = 2, T_period: Shape = 8, spiking: bool = True) -> None:
        super().__init__(spiking, n=n, T_period=T_period)

    @staticmethod
    def primitive(x: Any, n: Any, T_period: Any) -> Any:
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
        turn = x / T_period - torch.round(x / T_period)
        y = 0 * x
        i = 1
        while i < n:
            y = y + torch.cos(2 * math.pi * (2 * i - 1) * turn)
            i += 1
        return 4 / T_period * y


piecewise_exp = Functional(PiecewiseExp)
nonzero_sign_log_abs = Functional(NonzeroSignLogAbs)
fake_numerical_gradient = Functional(FakeNumericalGradient)
log_tailed_relu = Functional(LogTailedReLU)
s2nn = Functional(S2NN)
squarewave_fourier_series = Functional(SquarewaveFourierSeries)
piecewise_exp_backward = gradient_form(PiecewiseExp.derivative)
nonzero_sign_log_abs_backward = gradient_form(NonzeroSignLogAbs.derivative)
fake_numerical_gradient_backward = gradient_form(FakeNumericalGradient.derivative)
log_tailed_relu_backward = gradient_form(LogTailedReLU.derivative)
