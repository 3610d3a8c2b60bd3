"""Tells in backward whether a tensor that forward has saved may be written over."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.numba._memory import pool

_keeps_graph = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)


def save_alone(ctx: Any, x: Tensor, *others: Tensor) -> None:
    """``ctx.save_for_backward`` of a tensor that was detached, and so holds on to no other."""
    _users_of_saved()  # not from inside a backward pass
    ctx.save_for_backward(x, *others)


def is_alone(x: Tensor) -> bool:
    """Whether nobody will ever look at ``x`` again, which `save_alone` had saved.

    True only inside a backward pass that frees its graph, and only for a buffer of the pool that
    no other tensor shares, be it saved or held by anyone. Other memory may be in use by those who
    are not counted, such as the NumPy array of ``torch.from_numpy``.
    """
    if _keeps_graph():
        return False
    users = pool.users(x)
    return users is not None and users <= _users_of_saved()


class _Count(torch.autograd.Function):
    """Counts in backward who holds on to its input, if that is a buffer of the pool."""

    found: int | None = None

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x.detach())
        return pool.empty(tuple(x.shape), x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        _Count.found = pool.users(*ctx.saved_tensors) or _Count.found
        return grad


@cache
def _users_of_saved() -> int:
    """Measured, for it is a matter of how this release of torch keeps saved tensors."""
    root = torch.zeros(pool.SMALL, requires_grad=True)
    with torch.enable_grad():  # nobody but the graph knows what the first one returns
        _Count.apply(_Count.apply(root)).backward(root)
    return _Count.found or 0
