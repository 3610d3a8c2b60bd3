"""Detect whether backward has already freed the graph that a state belongs to."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from bitspike.spikes import plain

# Saved by every probe, to see whether autograd still holds it.
with torch.inference_mode(False):
    _TOKEN = torch.empty(0, device="cpu")


class _Probe(torch.autograd.Function):
    """Identity whose node forgets its saved tensor when backward has passed through it."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, passes: bool) -> Tensor:
        ctx.save_for_backward(_TOKEN)
        ctx.passes = passes  # type: ignore[attr-defined]
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None]:
        return grad if ctx.passes else None, None


def probe(x: Tensor, learns: bool = False) -> tuple[Tensor, Any]:
    """Return ``x`` and a node for `is_freed`, which is None where no graph is made.

    ``learns`` means that parameters follow: then there will be a graph, even if ``x`` has none.
    """
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return x, None
    # torch.func and tracers have graphs of their own.
    if torch._C._are_functorch_transforms_active() or torch._C._get_tracing_state() is not None:
        return x, None
    if not (x.requires_grad or (learns and x.is_floating_point())):
        return x, None
    x = plain(x)
    root = x if x.requires_grad else x.detach().requires_grad_()
    y: Tensor = _Probe.apply(root, x.requires_grad)  # type: ignore[no-untyped-call]
    return y, y.grad_fn


def is_freed(node: Any) -> bool:
    """Return whether backward has passed through the node without ``retain_graph=True``."""
    if node is None:
        return False
    try:
        _ = node._raw_saved_tensors  # does not unpack them
    except RuntimeError:
        return True
    return False
