"""Tells in backward whether a tensor that forward has saved may be written over."""

import sys
import threading
from functools import cache
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.runtime.buffers import pool

_keeps_graph = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)

Holders = tuple[int, ...]


def is_alone(x: Tensor) -> bool:
    """Whether nobody will ever look at ``x`` again, which `ctx.saved_tensors` has just given.

    True only inside a backward pass that frees its graph, and only for a buffer of the pool that
    no other tensor, graph or variable holds. Other memory may be in use by those who are not
    counted, such as the NumPy array of ``torch.from_numpy``.
    """
    if _keeps_graph():
        return False
    holders = _holders(x)
    return holders is not None and holders == _holders_of_saved(x._is_view())


def _holders(x: Tensor) -> Holders | None:
    """How many hold the buffer that ``x`` is all of; None if it is no buffer of the pool.

    In order: tensors that share the memory; graphs and variables that hold ``x`` itself; and those
    that hold the tensor of which it is a view.
    """
    users = pool.users(x)
    if users is None:
        return None
    base = x._base
    counts = users, x._use_count(), sys.getrefcount(x)  # type: ignore[attr-defined]
    if base is None:
        return counts
    return *counts, base._use_count(), sys.getrefcount(base)  # type: ignore[attr-defined]


def _append_holders(found: list[Holders | None], x: Tensor) -> None:
    found.append(_holders(x))  # as deep in calls as in `is_alone`: each argument is a holder


class _Buffer(torch.autograd.Function):
    """A buffer of the pool that only the graph knows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return pool.empty(tuple(x.shape), x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad


class _Count(torch.autograd.Function):
    """Counts in backward who holds its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, found: list[Holders | None]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.found = found
        return x.sum()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x, *_ = ctx.saved_tensors
        _append_holders(ctx.found, x)
        return grad.expand(x.shape), None


@cache
def _holders_of_saved(view: bool) -> Holders | None:
    """`_holders` of a saved tensor, maybe a view, that nobody else holds.

    Measured, for it is a matter of how this release of torch keeps saved tensors; and measured in a
    thread of its own, where no hooks, modes or contexts of the caller reach.
    """
    found: list[Holders | None] = []

    def measure() -> None:
        root = torch.zeros(2, pool.SMALL, device="cpu", requires_grad=True)
        x = _Buffer.apply(root)
        if view:
            x = x.movedim(0, 1).movedim(0, 1)
        total = _Count.apply(x, found)
        del x
        total.backward()

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    return found[0]
