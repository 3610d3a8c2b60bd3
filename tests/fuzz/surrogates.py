"""Surrogate functions once more, in plain torch, from the table of their derivatives."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _inside(x: Tensor, width: float) -> Tensor:
    return (x.abs() < width).to(x)


def _either(x: Tensor, where: Tensor, one: float, other: float) -> Tensor:
    """One number or the other, in the precision of ``x``."""
    return torch.where(where, torch.full_like(x, one), torch.full_like(x, other))


def _squarewave(x: Tensor, n: int, T_period: float) -> Tensor:
    turns = [torch.cos((2 * i - 1) * 2 * math.pi * x / T_period) for i in range(1, n)]
    return 4 / T_period * sum(turns, torch.zeros_like(x))


def _sigmoid(x: Tensor, alpha: Any) -> Any:
    return alpha * torch.sigmoid(alpha * x) * (1 - torch.sigmoid(alpha * x))


DERIVATIVES: dict[str, Callable[..., Any]] = {
    "Sigmoid": _sigmoid,
    "ATan": lambda x, alpha: alpha / 2 / (1 + (math.pi / 2 * alpha * x) ** 2),
    "SoftSign": lambda x, alpha: 1 / (2 * alpha * (1 / alpha + x.abs()) ** 2),
    "SuperSpike": lambda x, alpha: alpha / (1 + x.abs()) ** 2,
    "Erf": lambda x, alpha: alpha / math.sqrt(math.pi) * torch.exp(-((alpha * x) ** 2)),
    "PiecewiseQuadratic": lambda x, alpha: (alpha - alpha**2 * x.abs()).clamp(min=0),
    "PiecewiseExp": lambda x, alpha: alpha / 2 * torch.exp(-alpha * x.abs()),
    "NonzeroSignLogAbs": lambda x, alpha: 1 / (1 / alpha + x.abs()),
    "PiecewiseLeakyReLU": lambda x, w, c: _either(x, x.abs() < w, 1 / (2 * w), c),
    "SquarewaveFourierSeries": _squarewave,
    "S2NN": lambda x, alpha, beta: torch.where(
        x < 0, _sigmoid(x, alpha), beta / (x.clamp(min=0) + 1)
    ),
    "QPseudoSpike": lambda x, alpha: (1 + 2 * x.abs() / (alpha - 1)) ** -alpha,
    "LeakyKReLU": lambda x, leak, k: _either(x, x >= 0, k, leak),
    "FakeNumericalGradient": lambda x, alpha: (1 / x.abs()).clamp(max=alpha),
    "LogTailedReLU": lambda x, alpha: torch.where(
        x <= 0, torch.full_like(x, alpha), 1 / x.clamp(min=1)
    ),
    "Rect": lambda x, alpha: alpha * _inside(x, 0.5 / alpha),
    "DeterministicPass": lambda x: torch.ones_like(x),
    "MultiLevelSpikeCount": lambda x, max_spike_count: ((x >= 0) & (x <= max_spike_count)).to(x),
}
PRIMITIVES: dict[str, Callable[..., Any]] = {
    "Sigmoid": lambda x, alpha: torch.sigmoid(alpha * x),
    "ATan": lambda x, alpha: torch.atan(math.pi / 2 * alpha * x) / math.pi + 0.5,
}
"""Of those whose shape is learned, and of those that do not spike."""


def _jumps(name: str, shape: dict[str, Any]) -> list[float]:
    """Where spikes or derivative jump."""
    if name == "Rect":
        return [0.0, 0.5 / shape["alpha"], -0.5 / shape["alpha"]]
    if name == "PiecewiseLeakyReLU":
        return [0.0, shape["w"], -shape["w"]]
    if name == "MultiLevelSpikeCount":
        most = shape["max_spike_count"]
        return [0.0, most, *(k + 0.5 for k in range(most))]
    return [0.0]


class _Step(torch.autograd.Function):
    """Forward the spikes, backward the derivative; backward may be differentiated again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, spikes: Tensor, derivative: Callable[..., Tensor]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.derivative = derivative
        return spikes.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return grad * ctx.derivative(x), None, None


class Fire:
    """A surrogate function that notes how far its inputs are from where it jumps."""

    def __init__(
        self, name: str, shape: dict[str, Any], learned: dict[str, Tensor], notes: list[Tensor]
    ) -> None:
        self.name, self.notes, self.learned = name, notes, learned
        self.spiking = shape.get("spiking", True)
        self.numbers = {k: v for k, v in shape.items() if k != "spiking"}

    def __call__(self, x: Tensor) -> Tensor:
        if not self.spiking:
            smooth: Tensor = PRIMITIVES[self.name](x, **{**self.numbers, **self.learned})
            return smooth
        for jump in _jumps(self.name, self.numbers):
            self.notes.append(x.detach() - jump)
        numbers = {**self.numbers, **self.learned}  # which the slope depends on, in second order
        spikes = (x >= 0).to(x)
        if self.name == "MultiLevelSpikeCount":
            spikes = x.clamp(0, numbers["max_spike_count"]).round()
        y: Tensor = _Step.apply(  # type: ignore[no-untyped-call]
            x, spikes.detach(), lambda x: DERIVATIVES[self.name](x, **numbers)
        )
        if self.learned:
            smooth = PRIMITIVES[self.name](x.detach(), **self.learned)
            y = y + (smooth - smooth.detach())
        return y
