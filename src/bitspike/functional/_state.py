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
        if isinstance(module, MemoryModule):
            module._label = name or None
            getattr(module, method)()
        elif callable(call := getattr(module, method, None)):
            warnings.warn(
                f"{method}_net calls {type(module).__name__}.{method}() of "
                f"'{name or 'the network'}', which is not a bitspike.base.MemoryModule",
                stacklevel=3,
            )
            call()


def collect_reset_modules(net: nn.Module) -> tuple[nn.Module, ...]:
    """The modules in ``net`` that `reset_net` resets: all that have a ``reset`` method."""
    return tuple(m for m in net.modules() if callable(getattr(m, "reset", None)))


def reset_collected_modules(modules: tuple[nn.Module, ...]) -> None:
    """Resets the modules that `collect_reset_modules` found, without searching for them again.

    For loops of many short sequences. A module that is no `MemoryModule` is reset with a warning.
    """
    for module in modules:
        if not isinstance(module, MemoryModule):
            warnings.warn(
                f"reset_collected_modules calls {type(module).__name__}.reset(), which is not a "
                "bitspike.base.MemoryModule",
                stacklevel=2,
            )
        module.reset()  # type: ignore[operator]


def invalidate_reset_cache(net: nn.Module) -> None:
    """Does nothing: `reset_net` looks at the network afresh at each call and has no cache.

    It is here for code that was written for SpikingJelly.
    """
