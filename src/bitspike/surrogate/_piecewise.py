"""Surrogates of straight lines, and those that pass the gradient through unchanged."""

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


class PiecewiseQuadratic(SurrogateFunctionBase):
    """Triangle: the derivative falls from ``alpha`` straight to 0 at ``abs(x) = 1 / alpha``.

    Primitive ``u - u * abs(u) / 2 + 1/2`` with ``u = clamp(alpha * x, -1, 1)``, derivative
    ``alpha * max(0, 1 - alpha * abs(x))``.

    Paper: Esser et al., "Convolutional networks for fast, energy-efficient neuromorphic
    computing", PNAS 2016.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        u = torch.clamp(alpha * x, -1, 1)
        return u - u * torch.abs(u) / 2 + 0.5

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        return alpha * torch.clamp_min(1 - alpha * torch.abs(x), 0)


class Rect(SurrogateFunctionBase):
    """A window of height ``alpha`` and width ``1 / alpha``: a straight line, clipped.

    Primitive ``clamp(alpha * x + 1/2, 0, 1)``, derivative ``alpha`` where
    ``abs(x) < 1 / (2 * alpha)``, else 0.

    Paper: Wu et al., "Spatio-temporal backpropagation for training high-performance spiking neural
    networks", Frontiers in Neuroscience 2018.
    """

    def __init__(self, alpha: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, alpha=alpha)

    @staticmethod
    def primitive(x: Any, alpha: Any) -> Any:
        return torch.clamp(alpha * x + 0.5, 0, 1)

    @staticmethod
    def derivative(x: Any, alpha: Any) -> Any:
        one = torch.ones_like(x)
        return torch.where(torch.abs(x) < 0.5 / alpha, alpha * one, 0 * one)


class PiecewiseLeakyReLU(SurrogateFunctionBase):
    """A window of width ``2 * w`` and area 1, and a constant leak ``c``, 0 or not, outside of it.

    Primitive ``x / (2 * w) + 1/2`` in the window, ``c * (x + w)`` below, ``c * (x - w) + 1``
    above; derivative ``1 / (2 * w)`` where ``abs(x) < w``, else ``c``.

    Paper: as `Rect`, there without leak.
    """

    domains: ClassVar[dict[str, Domain]] = {"c": FINITE}

    def __init__(self, w: Shape = 1.0, c: Shape = 0.01, spiking: bool = True) -> None:
        super().__init__(spiking, w=w, c=c)

    @staticmethod
    def primitive(x: Any, w: Any, c: Any) -> Any:
        outside = torch.where(x < 0, c * (x + w), c * (x - w) + 1)
        return torch.where(torch.abs(x) < w, x / (2 * w) + 0.5, outside)

    @staticmethod
    def derivative(x: Any, w: Any, c: Any) -> Any:
        one = torch.ones_like(x)
        return torch.where(torch.abs(x) < w, one / (2 * w), c * one)


class LeakyKReLU(SurrogateFunctionBase):
    """Leaky ReLU: the derivative is ``k`` where ``x >= 0``, else ``leak``; either may be 0.

    Primitive ``k * x`` where ``x >= 0``, else ``leak * x``.
    """

    domains: ClassVar[dict[str, Domain]] = {"leak": FINITE, "k": FINITE}

    def __init__(self, leak: Shape = 0.0, k: Shape = 1.0, spiking: bool = True) -> None:
        super().__init__(spiking, leak=leak, k=k)

    @staticmethod
    def primitive(x: Any, leak: Any, k: Any) -> Any:
        return torch.where(x >= 0, k * x, leak * x)

    @staticmethod
    def derivative(x: Any, leak: Any, k: Any) -> Any:
        one = torch.ones_like(x)
        return torch.where(x >= 0, k * one, leak * one)


class DeterministicPass(SurrogateFunctionBase):
    """Straight-through estimator: the step forward, the identity backward.

    Primitive ``x``, derivative 1.

    Paper: Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic
    neurons for conditional computation", 2013 (arXiv:1308.3432).
    """

    def __init__(self, spiking: bool = True) -> None:
        super().__init__(spiking)

    @staticmethod
    def primitive(x: Any) -> Any:
        return x

    @staticmethod
    def derivative(x: Any) -> Any:
        return torch.ones_like(x)


class PoissonPass(DeterministicPass):
    """Straight-through estimator of a random spike: ``x`` is the probability to fire.

    Primitive ``x``, derivative 1; the random numbers are those of torch's global generator.

    Raises:
        ValueError: in the forward pass, if ``x`` is not between 0 and 1.

    Paper: as `DeterministicPass`.
    """

    deterministic: ClassVar[bool] = False

    @staticmethod
    def fire(x: Any) -> Any:
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError(
                "surrogate.PoissonPass: its input is the probability to fire and must lie between "
                f"0 and 1, but lies between {x.min().item():.3g} and {x.max().item():.3g}"
            )
        return torch.bernoulli(x)


class MultiLevelSpikeCount(SurrogateFunctionBase):
    """Integer spike counts from 0 to ``max_spike_count``, for I-LIF neurons.

    Forward ``round(clamp(x, 0, max_spike_count))``, halves to the even number. Primitive
    ``clamp(x, 0, max_spike_count)``, derivative 1 where ``grad_min <= x <= grad_max``, else 0.

    Args:
        max_spike_count: largest number of spikes in a step.
        spiking: False gives the primitive instead of the count.
        grad_window: ``(grad_min, grad_max)``; None is ``(0, max_spike_count)``, with which the
            derivative is the primitive's.

    Raises:
        ValueError: if ``max_spike_count`` is no integer of at least 1, or ``grad_window`` is not
            two numbers in ascending order.

    Paper: Luo et al., "Integer-valued training and spike-driven inference spiking neural network
    for high-performance and energy-efficient object detection", ECCV 2024.
    """

    domains: ClassVar[dict[str, Domain]] = {
        "max_spike_count": COUNT,
        "grad_min": FINITE,
        "grad_max": FINITE,
    }
    binary: ClassVar[bool] = False

    def __init__(
        self,
        max_spike_count: int,
        spiking: bool = True,
        grad_window: tuple[float, float] | None = None,
    ) -> None:
        COUNT.check(max_spike_count, "surrogate.MultiLevelSpikeCount: max_spike_count")
        window = (0.0, float(max_spike_count)) if grad_window is None else tuple(grad_window)
        if len(window) != 2 or not window[0] <= window[1]:
            raise ValueError(
                "surrogate.MultiLevelSpikeCount: grad_window must be (grad_min, grad_max) with "
                f"grad_min <= grad_max, but got {grad_window!r}"
            )
        super().__init__(
            spiking, max_spike_count=max_spike_count, grad_min=window[0], grad_max=window[1]
        )

    @staticmethod
    def fire(x: Any, max_spike_count: Any, grad_min: Any, grad_max: Any) -> Any:  # noqa: ARG004
        return torch.round(torch.clamp(x, 0, max_spike_count))

    @staticmethod
    def primitive(x: Any, max_spike_count: Any, grad_min: Any, grad_max: Any) -> Any:  # noqa: ARG004
        return torch.clamp(x, 0, max_spike_count)

    @staticmethod
    def derivative(x: Any, max_spike_count: Any, grad_min: Any, grad_max: Any) -> Any:  # noqa: ARG004
        inside = (x >= grad_min) & (x <= grad_max)
        return torch.where(inside, torch.ones_like(x), torch.zeros_like(x))


piecewise_quadratic = Functional(PiecewiseQuadratic)
rect = Functional(Rect)
piecewise_leaky_relu = Functional(PiecewiseLeakyReLU)
leaky_k_relu = Functional(LeakyKReLU)
deterministic_pass = Functional(DeterministicPass)
poisson_pass = Functional(PoissonPass)
piecewise_quadratic_backward = gradient_form(PiecewiseQuadratic.derivative)
rect_backward = gradient_form(Rect.derivative)
piecewise_leaky_relu_backward = gradient_form(PiecewiseLeakyReLU.derivative)
leaky_k_relu_backward = gradient_form(LeakyKReLU.derivative)
