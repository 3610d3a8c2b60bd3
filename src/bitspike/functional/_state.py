"""Reset and detach the state of a whole network."""

import warnings

from torch import nn

from bitspike.base import MemoryModule


def reset_net(net: nn.Module) -> None:
    """Puts the state of every module in ``net`` back to its start. Call it after each batch.

    A module that is not a `MemoryModule` but has a ``reset`` method is reset as well, with a
    warning, since such a method may mean something else.
    """
    _call_everywhere(net, "reset")


def detach_net(net: nn.Module) -> None:
    """Cuts the state of every module in ``net`` from its history, for truncated BPTT.

    A module that is not a `MemoryModule` but has a ``detach`` method is detached as well, with a
    warning.
    """
    _call_everywhere(net, "detach")


def _call_everywhere(net: nn.Module, method: str) -> None:
    for name, module in net.named_modules():
        call = getattr(module, method, None)
        if not callable(call):
            continue
        if isinstance(module, MemoryModule):
            module._label = name or None
        else:
            warnings.warn(
                f"{method}_net calls {type(module).__name__}.{method}() of "
                f"'{name or 'the network'}', which is not a bitspike.base.MemoryModule",
                stacklevel=3,
            )
        call()
