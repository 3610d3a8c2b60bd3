"""Lend modules other states for the time of a call."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitspike.base._memory import MemoryModule

States = tuple[Any, ...]


@contextmanager
def holding(modules: Sequence["MemoryModule"], states: Sequence[Any]) -> Iterator[None]:
    """While entered, ``modules`` hold ``states``, one a memory, in order; then their own again.

    Records are empty then: they tell of the module's own states.

    Raises:
        ValueError: if the number of states is not that of the memories.
    """
    slots = [(module, name) for module in modules for name, _ in module.named_memories()]
    if len(slots) != len(states):
        names = ", ".join(f"{type(module).__name__}.{name}" for module, name in slots) or "none"
        raise ValueError(
            f"the states must be one for each memory, {len(slots)} ({names}), but {len(states)} "
            "were given"
        )
    own = [(module, dict(module._memories), module._graph_node) for module in modules]
    try:
        for module in modules:
            module._graph_node = None  # the graph of the caller's states is the caller's affair
            module._memories.update(dict.fromkeys(module._records))
        for (module, name), state in zip(slots, states, strict=True):
            module._memories[name] = state
        yield
    finally:
        for module, memories, graph_node in own:
            module._memories.clear()
            module._memories.update(memories)
            module._graph_node = graph_node


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    """One output, or a tuple or list of them, as a tuple."""
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def only_one(outputs: tuple[Any, ...]) -> Any:
    """The one output, or the tuple of all."""
    return outputs[0] if len(outputs) == 1 else outputs
