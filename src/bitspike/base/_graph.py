"""Tells whether backward has already freed the graph that a state hangs on."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

# Saved by every probe: its content is never looked at, only whether autograd still holds it.
_TOKEN = torch.empty(0)


class _Probe(torch.autograd.Function):
    """Identity whose node forgets its saved tensor when backward has passed through it."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(_TOKEN)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad


def probe(x: Tensor) -> tuple[Tensor, Any]:
    """Passes ``x`` on, with a node that `is_freed` can ask later (None where none is needed)."""
    if not x.requires_grad or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return x, None
    y: Tensor = _Probe.apply(x)  # type: ignore[no-untyped-call]
    return y, y.grad_fn


def is_freed(node: Any) -> bool:
    """True if backward has passed through the node of `probe` without ``retain_graph=True``."""
    if node is None:
        return False
    try:
        _ = node.saved_tensors
    except RuntimeError:
        return True
    return False
