"""Gradients of gradients: a kernel's backward is none of autograd's operations.

With ``create_graph=True`` autograd records the operations of a backward pass, in order to
differentiate it again. The result of a kernel would be taken for a constant, silently. There the
backward pass runs the reference on the tensors that forward has saved, and lets autograd
differentiate that, as often as it likes.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.runtime.memory import without_negative_bit
from bitspike.spikes import SpikeTensor

Arguments = tuple[Any, ...]
Reference = Callable[[Any], tuple[Arguments, Callable[..., Any]]]
"""Of a function's ``ctx``: its arguments, None for those that are no tensors, and the reference.

The reference takes these arguments and returns what ``forward`` returns; None for an output that
has no gradient.
"""


def differentiable_again(reference: Reference) -> Callable[[Callable[..., Any]], Any]:
    """Decorate the ``backward`` of a kernel, so that its gradients have gradients.

    Args:
        reference: see `Reference`. The arguments come from ``ctx.saved_tensors``, with their graph.
    """
    return _decorate(lambda ctx, grads: _by_reference(ctx, reference, grads))


def differentiable_once(why: str) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a ``backward`` that keeps too little to be differentiated again: it raises.

    torch's own ``once_differentiable`` lets pass gradients that depend on saved tensors alone.

    Args:
        why: what cannot be differentiated again, and what to do.
    """

    def refuse(ctx: Any, grads: Any) -> Any:  # noqa: ARG001
        raise RuntimeError(f"gradients of gradients (create_graph=True): {why}")

    return _decorate(refuse)


def _decorate(again: Callable[[Any, tuple[Tensor | None, ...]], Any]) -> Callable[..., Any]:
    def decorate(backward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(backward)
        def run(ctx: Any, *grads: Tensor | None) -> Any:
            if torch.is_grad_enabled():
                return again(ctx, grads)
            return backward(ctx, *map(without_negative_bit, map(_dense, grads)))

        return run

    return decorate


def _dense(grad: Tensor | None) -> Tensor | None:
    return grad.dense() if isinstance(grad, SpikeTensor) else grad


def _by_reference(ctx: Any, reference: Reference, grads: tuple[Tensor | None, ...]) -> Any:
    arguments, compute = reference(ctx)
    wanted = {
        place: argument.view_as(argument)  # the same tensor in two places has two gradients
        for place, argument in enumerate(arguments)
        if ctx.needs_input_grad[place] and argument is not None
    }
    outputs = compute(*(wanted.get(place, x) for place, x in enumerate(arguments)))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    pairs = [
        (output, grad)
        for output, grad in zip(outputs, grads, strict=True)
        if grad is not None and output is not None and output.requires_grad
    ]
    gradients: dict[int, Tensor | None] = {}
    if wanted and pairs:
        of, given = zip(*pairs, strict=True)
        made = torch.autograd.grad(
            of, list(wanted.values()), given, create_graph=True, allow_unused=True
        )
        gradients = dict(zip(wanted, made, strict=True))
    return tuple(gradients.get(place) for place in range(len(ctx.needs_input_grad)))
