"""Gradients of gradients: a kernel's backward is none of autograd's operations.

With ``create_graph=True`` autograd records what a backward pass does, in order to differentiate it
again. What a kernel computes would be taken for a constant, without a word. There the backward pass
runs the reference on the tensors that forward has saved, and lets autograd differentiate that, as
often as it likes.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.runtime.memory import without_negative_bit

Arguments = tuple[Any, ...]
Reference = Callable[[Any], tuple[Arguments, Callable[..., Any]]]
"""Of a function's ``ctx``: its arguments, None for those that are no tensors, and the reference.

The reference takes these arguments and returns what ``forward`` returns; None for an output that
has no gradient.
"""


def differentiable_again(reference: Reference) -> Callable[[Callable[..., Any]], Any]:
    """Decorates the ``backward`` of a kernel, so that its gradients have gradients.

    Args:
        reference: see `Reference`. The arguments come from ``ctx.saved_tensors``, with their graph.
    """

    def decorate(backward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(backward)
        def run(ctx: Any, *grads: Tensor | None) -> Any:
            if not torch.is_grad_enabled():
                return backward(ctx, *map(without_negative_bit, grads))
            return _by_reference(ctx, reference, grads)

        return run

    return decorate


def differentiable_once(why: str) -> Callable[[Callable[..., Any]], Any]:
    """Decorates a ``backward`` that keeps too little to be differentiated again: it raises.

    torch's own ``once_differentiable`` lets pass what depends on saved tensors alone.

    Args:
        why: what cannot be differentiated again, and what to do.
    """

    def decorate(backward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(backward)
        def run(ctx: Any, *grads: Tensor | None) -> Any:
            if torch.is_grad_enabled():
                raise RuntimeError(f"gradients of gradients (create_graph=True): {why}")
            return backward(ctx, *map(without_negative_bit, grads))

        return run

    return decorate


def _by_reference(ctx: Any, reference: Reference, grads: tuple[Tensor | None, ...]) -> Any:
    arguments, compute = reference(ctx)
    wanted = {
        place: argument.view_as(argument)  # the same tensor in two places has two gradients
        for place, argument in enumerate(arguments)
        if ctx.needs_input_grad[place] and argument is not None
    }
    outputs = compute(*(wanted.get(place, one) for place, one in enumerate(arguments)))
    pairs = [
        (output, grad)
        for output, grad in zip(_as_tuple(outputs), grads, strict=True)
        if grad is not None and output is not None and output.requires_grad
    ]
    found: dict[int, Tensor | None] = {}
    if wanted and pairs:
        of, given = zip(*pairs, strict=True)
        made = torch.autograd.grad(
            of, list(wanted.values()), given, create_graph=True, allow_unused=True
        )
        found = dict(zip(wanted, made, strict=True))
    return tuple(found.get(place) for place in range(len(ctx.needs_input_grad)))


def _as_tuple(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
