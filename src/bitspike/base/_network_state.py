"""The state of a whole network: read, load, reset and detach it, or pass it to a call."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from bitspike.base._containers import is_chain
from bitspike.base._lent_states import States, as_tuple, holding, memory_slots, only_one
from bitspike.base._memory import MemoryModule

FunctionalForward = Callable[..., tuple[tuple[Any, ...], States]]


def memories(module: nn.Module) -> Iterator[Any]:
    """Yield the values of all memories in ``module`` and below."""
    for _, value in named_memories(module):
        yield value


def named_memories(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield qualified names and values of all memories in ``module`` and below."""
    for name, child in module.named_modules(prefix=prefix):
        if isinstance(child, MemoryModule):
            for memory, value in child.named_memories():
                yield (f"{name}.{memory}" if name else memory), value


def extract_memories(module: nn.Module) -> list[Any]:
    """Return all memories in ``module`` and below, in the order of `memories`.

    Tensors come with their graph, and a later step does not change them: modules put a new
    tensor into a memory and never write into the old one.
    """
    return list(memories(module))


def load_memories(module: nn.Module, memory_list: list[Any]) -> None:
    """Put back the memories that `extract_memories` returned.

    Raises:
        ValueError: if the number of memories differs.
    """
    slots = memory_slots(m for m in module.modules() if isinstance(m, MemoryModule))
    if len(slots) != len(memory_list):
        raise ValueError(f"the module has {len(slots)} memories, but {len(memory_list)} were given")
    for (child, name), value in zip(slots, memory_list, strict=True):
        setattr(child, name, value)
        child.watch_node(None)  # the graph was that of the earlier value


def reset_net(net: nn.Module) -> None:
    """Set the state of every module in ``net`` to its start. Call it after each batch.

    A module that is not a `MemoryModule` but has a ``reset`` method is reset as well, with a
    warning, since such a method may mean something else.
    """
    _call_everywhere(net, "reset")


def detach_net(net: nn.Module) -> None:
    """Cut the state of every module in ``net`` from its history, for truncated BPTT.

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
    """Return the modules in ``net`` that `reset_net` resets: all that have a ``reset`` method."""
    return tuple(m for m in net.modules() if callable(getattr(m, "reset", None)))


def reset_collected_modules(modules: tuple[nn.Module, ...]) -> None:
    """Reset the modules that `collect_reset_modules` returned, without a search.

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
    """Do nothing: `reset_net` searches the network at each call and has no cache.

    The function exists for programs written for SpikingJelly.
    """


def to_functional_forward(
    module: nn.Module, fn: Callable[..., Any] | None = None
) -> FunctionalForward:
    """Return the forward pass of ``module`` as a function from states to new states.

    ``outputs, states = f(inputs, states, **kwargs)``, where ``inputs`` and ``outputs`` are tuples
    and ``states`` is a tuple of all memories in the order of `extract_memories`. The module's own
    states are as before afterwards, also if the call raises. In a plain ``nn.Sequential`` the
    first module takes all inputs and keyword arguments.

    Example::

        f = base.to_functional_forward(net)
        states = tuple(base.extract_memories(net))  # what a reset leaves
        for x in x_seq:
            (y,), states = f((x,), states)

    Args:
        module: any module; the memories may be anywhere below it.
        fn: called in place of ``module.forward``; it may use the module in any way.

    Raises:
        ValueError: by ``f``, if the number of states is not that of the memories.
    """
    holders = [child for child in module.modules() if isinstance(child, MemoryModule)]
    alone = len(holders) == 1 and holders[0] is module
    if fn is None and alone and _has_functional_form(holders[0]):
        return holders[0].functional_forward
    call = fn or (_chain(module) if is_chain(module) else module.forward)

    def functional_forward(
        inputs: tuple[Any, ...], states: States, **kwargs: Any
    ) -> tuple[tuple[Any, ...], States]:
        with holding(holders, states):
            outputs = as_tuple(call(*inputs, **kwargs))
            return outputs, tuple(extract_memories(module))

    return functional_forward


def _has_functional_form(module: MemoryModule) -> bool:
    """Return whether the module's class overrides a functional form."""
    return any(
        getattr(type(module), name) is not getattr(MemoryModule, name)
        for name in (
            "functional_forward",
            "single_step_functional_forward",
            "multi_step_functional_forward",
            "_on_states",
        )
    )


def _chain(module: nn.Module) -> Callable[..., Any]:
    def forward(*inputs: Any, **kwargs: Any) -> Any:
        for child in module.children():
            inputs, kwargs = as_tuple(child(*inputs, **kwargs)), {}
        return only_one(inputs)

    return forward
