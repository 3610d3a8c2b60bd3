"""The hook through which a module reports to a monitor."""

import weakref
from collections.abc import Callable
from typing import Any, Protocol

from torch import nn


class Listener(Protocol):
    """What a hook asks of its monitor."""

    def is_enable(self) -> bool:
        """Whether it wants to hear anything."""

    def observe(self, module: nn.Module, *args: Any) -> Any:
        """What to record of the module."""

    def record(self, name: str, value: Any) -> None:
        """Takes the record."""


class Hook:
    """Holds its monitor weakly: a network must not keep the records of a lost monitor alive."""

    def __init__(self, monitor: Listener, name: str) -> None:
        self._monitor = weakref.ref(monitor)
        self._name = name

    def __call__(self, module: nn.Module, *args: Any) -> None:
        monitor = self._monitor()
        if monitor is not None and monitor.is_enable():
            monitor.record(self._name, monitor.observe(module, *args))

    def __reduce__(self) -> tuple[Callable[[], Callable[..., None]], tuple[()]]:
        """A copied or pickled network is not monitored."""
        return _deaf, ()


def _deaf() -> Callable[..., None]:
    return _ignore


def _ignore(module: nn.Module, *args: Any) -> None:
    pass
