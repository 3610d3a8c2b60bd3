"""The state of a whole network: list it, put it back, reset it, hand it in and out of a call."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from bitspike.base._containers import is_chain
from bitspike.base._lent_states import States, as_tuple, holding, only_one
from bitspike.base._memory import MemoryModule

FunctionalForward = Callable[..., tuple[tuple[Any, ...], States]]


def memories(module: nn.Module) -> Iterator[Any]:
    """The values of all memories in ``module`` and below."""
    for _, value in named_memories(module):
        yield value


def named_memories(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Qualified names and values of all memories in ``module`` and below."""
    for name, child in module.named_modules(prefix=prefix):
        if isinstance(child, MemoryModule):
            for memory, value in child.named_memories():
                yield (f"{name}.{memory}" if name else memory), value


def extract_memories(module: nn.Module) -> list[Any]:
    """All memories in ``module`` and below, in the order of `memories`.

    Tensors come with their graph, and a later step does not change them: modules put a new
    tensor into a memory and never write into the old one.
    """
    return list(memories(module))


def load_memories(module: nn.Module, memory_list: list[Any]) -> None:
    """Puts back what `extract_memories` returned.

    Raises:
        ValueError: if the number of memories differs.
    """
    slots = [
        (child, name)
        for child in module.modules()
        if isinstance(child, MemoryModule)
        for name, _ in child.named_memories()
    ]
    if len(slots) != len(memory_list):
        raise ValueError(f"the module has {len(slots)} memories, but {len(memory_list)} were given")
    for (child, name), value in zip(slots, memory_list, strict=True):
        setattr(child, name, value)
        child._graph_node = None  # the graph of what was there before


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


def to_functional_forward(
    module: nn.Module, fn: Callable[..., Any] | None = None
) -> FunctionalForward:
    """The forward pass of ``module`` as a function that takes its states and returns the new ones.

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
        fn: called in place of ``module.forward``; it may use the module as it likes.

    Raises:
        ValueError: by ``f``, if the number of states is not that of the memories.
    """
    holders = [child for child in module.modules() if isinstance(child, MemoryModule)]
    alone = len(holders) == 1 and holders[0] is module
    if fn is None and alone and _speaks_for_itself(holders[0]):
        return holders[0].functional_forward
    call = fn or (_chain(module) if is_chain(module) else module.forward)

    def functional_forward(
        inputs: tuple[Any, ...], states: States, **kwargs: Any
    ) -> tuple[tuple[Any, ...], States]:
        with holding(holders, states):
            outputs = as_tuple(call(*inputs, **kwargs))
            return outputs, tuple(extract_memories(module))

    return functional_forward


def _speaks_for_itself(module: MemoryModule) -> bool:
    """Whether the module's class has a functional form of its own."""
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
