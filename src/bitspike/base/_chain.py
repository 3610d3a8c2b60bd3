"""Containers that call one module after the other, and do nothing else."""

from collections.abc import Callable
from typing import Any

from torch import nn

_in_turn: set[Callable[..., Any]] = {nn.Sequential.forward}


def calls_in_turn(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Marks the ``forward`` of an ``nn.Sequential`` that gives what torch's own would give."""
    _in_turn.add(forward)
    return forward


def is_chain(module: nn.Module) -> bool:
    """Whether what ``module`` computes is what its children compute, one after the other."""
    return isinstance(module, nn.Sequential) and type(module).forward in _in_turn
