"""Which containers call their children in turn, and which modules have hooks."""

from collections.abc import Callable
from typing import Any

from torch import nn

_in_turn: set[Callable[..., Any]] = {nn.Sequential.forward}


def calls_in_turn(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark the ``forward`` of an ``nn.Sequential`` that returns what torch's own would return."""
    _in_turn.add(forward)
    return forward


def is_chain(module: nn.Module) -> bool:
    """Return whether ``module`` computes what its children compute, one after the other."""
    return isinstance(module, nn.Sequential) and type(module).forward in _in_turn


def wants_more_than_output(module: nn.Module) -> bool:
    """Return whether ``module`` has a hook on its input or on a gradient."""
    return bool(module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks)


def has_hooks(module: nn.Module) -> bool:
    """Return whether ``module`` has hooks of any kind."""
    return bool(module._forward_hooks) or wants_more_than_output(module)
