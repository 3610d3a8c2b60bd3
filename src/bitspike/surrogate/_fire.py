"""The step forward and the surrogate's derivative backward, as one function of autograd."""

from typing import Any

import torch
from torch import Tensor

from bitspike.spikes import plain


def heaviside(x: Tensor) -> Tensor:
    """``Theta(x)``: 1 where ``x >= 0``, else 0, in the dtype of ``x``. Not differentiable."""
    return (x >= 0).to(x)


class _Fire(torch.autograd.Function):
    """Forward ``fire``, backward ``derivative``, both of a class of surrogates."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, surrogate: Any, *shape: Any) -> Tensor:
        _save(ctx, x, surrogate, shape)
        spikes: Tensor = surrogate.fire(x, *shape)
        return spikes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *tensors = ctx.saved_tensors
        shape = [tensors.pop(0) if number is None else number for number in ctx.numbers]
        return grad * ctx.surrogate.derivative(x, *shape), None, *(None for _ in shape)


class _TransformedFire(_Fire):
    """The same in the form that `torch.func` asks for, which takes three times as long."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, surrogate: Any, *shape: Any) -> Tensor:  # type: ignore[override]
        spikes: Tensor = surrogate.fire(x, *shape)
        return spikes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        x, surrogate, *shape = inputs
        _save(ctx, x, surrogate, tuple(shape))


def _save(ctx: Any, x: Tensor, surrogate: Any, shape: tuple[Any, ...]) -> None:
    ctx.save_for_backward(x, *(p for p in shape if isinstance(p, Tensor)))
    ctx.surrogate = surrogate
    ctx.numbers = [None if isinstance(p, Tensor) else p for p in shape]


def fire(x: Tensor, surrogate: Any, *shape: Any) -> Tensor:
    """Spikes of the surrogate class ``surrogate`` with the shape parameters ``shape``.

    A shape parameter that is learned gets the gradient of the primitive: the spikes themselves do
    not depend on it.
    """
    transformed = torch._C._are_functorch_transforms_active()
    function = _TransformedFire if transformed else _Fire
    spikes: Tensor = function.apply(plain(x), surrogate, *shape)  # type: ignore[no-untyped-call]
    learned = any(isinstance(p, Tensor) and p.requires_grad for p in shape)
    if learned and torch.is_grad_enabled():
        smooth = surrogate.primitive(x.detach(), *shape)
        spikes = spikes + (smooth - smooth.detach()).to(spikes.dtype)
    return spikes
