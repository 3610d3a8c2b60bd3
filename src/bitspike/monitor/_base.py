"""What all monitors share: which modules they watch, where they record, how they let go."""

import weakref
from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from torch import nn
from torch.utils.hooks import RemovableHandle

from bitspike.monitor._hook import Hook

Kinds = type[Any] | tuple[type[Any], ...]
Function = Callable[[Any], Any]


def identity(x: Any) -> Any:
    """``x`` itself."""
    return x


def only(x: Any) -> Any:
    """The one element of a tuple that has no other; anything else as it is."""
    return x[0] if isinstance(x, tuple) and len(x) == 1 else x


class BaseMonitor:
    """Base of all monitors.

    ``monitor[i]`` is the i-th record, ``monitor['layer.name']`` the list of one module's records,
    in the order in which they were made. Use it as a context manager, or call `close`.

    A monitor does not keep the network alive, nor the network the monitor: hold on to the
    monitor for as long as it shall record. A copied or unpickled network is not monitored.

    Attributes:
        monitored_layers: qualified names of the modules that are watched; the network itself is
            ``''``.
        records: everything recorded so far, of all modules.
        name_records_index: for each name, where in `records` its records are.
        hooks: handles of the hooks; empty once the monitor is closed.
    """

    def __init__(self) -> None:
        self.monitored_layers: list[str] = []
        self.records: list[Any] = []
        self.name_records_index: dict[str, list[int]] = {}
        self.hooks: list[RemovableHandle] = []
        self._enabled = True
        weakref.finalize(self, _remove, self.hooks).atexit = False

    def __getitem__(self, i: int | str) -> Any:
        if isinstance(i, int):
            return self.records[i]
        if not isinstance(i, str):
            raise TypeError(f"a monitor is indexed by int or module name, but got {i!r}")
        if i not in self.name_records_index:
            raise KeyError(f"no monitored module is called {i!r}; there are {self._names()}")
        return [self.records[index] for index in self.name_records_index[i]]

    def enable(self) -> None:
        """Goes on recording."""
        self._enabled = True

    def disable(self) -> None:
        """Stops recording until `enable`; the hooks stay."""
        self._enabled = False

    def is_enable(self) -> bool:
        """Whether the monitor is recording."""
        return self._enabled

    def clear_recorded_data(self) -> None:
        """Forgets all records."""
        self.records.clear()
        for indices in self.name_records_index.values():
            indices.clear()

    def remove_hooks(self) -> None:
        """Takes the monitor off the network for good; the records stay."""
        _remove(self.hooks)

    def close(self) -> None:
        """Stops recording and removes all hooks; the records stay. May be called again."""
        self.disable()
        self.remove_hooks()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def create_hook(self, name: str) -> Callable[..., None]:
        """The hook for the module of that name."""
        return Hook(self, name)

    @abstractmethod
    def observe(self, module: nn.Module, *args: Any) -> Any:
        """What to record of ``module``; ``args`` is what torch hands to the hook."""

    def _watch(
        self,
        net: nn.Module,
        instance: Kinds | None,
        register: Callable[[nn.Module, Callable[..., None]], RemovableHandle],
    ) -> None:
        """Hooks every module in ``net`` that is an ``instance``."""
        kinds = (type(net),) if instance is None else instance
        modules = [(name, m) for name, m in net.named_modules() if isinstance(m, kinds)]
        if not modules:
            wanted = kinds if isinstance(kinds, tuple) else (kinds,)
            raise ValueError(
                f"{type(self).__name__}: the network has no module of type "
                f"{' or '.join(kind.__name__ for kind in wanted)}, only of "
                f"{', '.join(sorted({type(m).__name__ for m in net.modules()}))}"
            )
        for name, module in modules:
            self.monitored_layers.append(name)
            self.name_records_index[name] = []
            self.hooks.append(register(module, self.create_hook(name)))

    def record(self, name: str, value: Any) -> None:
        """Appends ``value`` to the records of the module ``name``."""
        self.name_records_index[name].append(len(self.records))
        self.records.append(value)

    def _names(self) -> str:
        return ", ".join(repr(name) for name in self.monitored_layers)


def _remove(hooks: list[RemovableHandle]) -> None:
    for hook in hooks:
        hook.remove()
    hooks.clear()
