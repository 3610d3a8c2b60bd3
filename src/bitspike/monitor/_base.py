"""The base of the monitors: the modules they hook, their records, and how they let go."""

import weakref
from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from torch import nn
from torch.utils.hooks import RemovableHandle

Kinds = type[Any] | tuple[type[Any], ...]
Function = Callable[[Any], Any]


class _Hook:
    """The hook of a module; holds its monitor weakly, so that no network keeps its records alive.

    The copy of a hook, in a copied or unpickled network, has no monitor.
    """

    def __init__(self, monitor: "BaseMonitor | None", name: str) -> None:
        self._monitor = None if monitor is None else weakref.ref(monitor)
        self._name = name

    def __call__(self, module: nn.Module, *args: Any) -> None:
        monitor = None if self._monitor is None else self._monitor()
        if monitor is not None and monitor.is_enable():
            monitor.record(self._name, monitor.observe(module, *args))

    def __reduce__(self) -> tuple[type, tuple[None, str]]:
        return _Hook, (None, self._name)


class BaseMonitor:
    """Base of all monitors.

    ``monitor[i]`` is the i-th record, ``monitor['layer.name']`` the list of one module's records,
    in the order in which they were made. Use it as a context manager, or call `close`.

    A monitor does not keep the network alive, nor the network the monitor: keep a reference to
    the monitor for as long as it shall record. A copied or unpickled network is not monitored.

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
            names = ", ".join(map(repr, self.monitored_layers))
            raise KeyError(f"no monitored module is called {i!r}; there are {names}")
        return [self.records[index] for index in self.name_records_index[i]]

    def enable(self) -> None:
        """Continue recording."""
        self._enabled = True

    def disable(self) -> None:
        """Stop recording until `enable`; the hooks stay."""
        self._enabled = False

    def is_enable(self) -> bool:
        """Return whether the monitor is recording."""
        return self._enabled

    def clear_recorded_data(self) -> None:
        """Forget all records."""
        self.records.clear()
        for indices in self.name_records_index.values():
            indices.clear()

    def remove_hooks(self) -> None:
        """Remove the monitor from the network for good; the records stay."""
        _remove(self.hooks)

    def close(self) -> None:
        """Stop recording and remove all hooks; the records stay. May be called again."""
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
        """Return the hook for the module of that name."""
        return _Hook(self, name)

    @abstractmethod
    def observe(self, module: nn.Module, *args: Any) -> Any:
        """Return the record of a call of ``module``; ``args`` are the arguments of the hook."""

    def _watch(
        self,
        net: nn.Module,
        instance: Kinds | None,
        register: Callable[[nn.Module, Callable[..., None]], RemovableHandle],
    ) -> None:
        """Hook every module in ``net`` that is an ``instance``."""
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
        """Append ``value`` to the records of the module ``name``."""
        self.name_records_index[name].append(len(self.records))
        self.records.append(value)


def _remove(hooks: list[RemovableHandle]) -> None:
    for hook in hooks:
        hook.remove()
    hooks.clear()
