"""Tells in backward whether a tensor that forward has saved may be written over."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.numba._memory import holders, pool

_keeps_graph = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)


def save_alone(ctx: Any, x: Tensor, *others: Tensor) -> None:
    """``ctx.save_for_backward`` of a tensor that was detached, and so holds on to no other."""
    _holders_of_saved()  # not from inside a backward pass
    ctx.save_for_backward(x, *others)


def is_alone(x: Tensor) -> bool:
    """Whether nobody will ever look at ``x`` again, which `save_alone` had saved.

    True only inside a backward pass that frees its graph, and only for a buffer of the pool that
    no other tensor shares, be it saved or held by anyone. Other memory may be in use by those who
    are not counted, such as the NumPy array of ``torch.from_numpy``.
    """
    if _keeps_graph() or not pool.holds(x):
        return False
    return holders(x) <= _holders_of_saved() + 1  # the pool


class _Count(torch.autograd.Function):
    """Counts in backward who holds on to a tensor that nobody but the graph knows."""

    found = 0

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x.detach().view(2, 1))
        return x.sum()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        _Count.found = holders(x)
        return grad.expand(2)


@cache
def _holders_of_saved() -> int:
    """Measured, for it is a matter of how this release of torch keeps saved tensors."""
    with torch.enable_grad():
        root = torch.zeros(2, requires_grad=True)
        _Count.apply(root + 1).backward()
    return _Count.found
