"""Lend modules other states for the time of a call."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from bitspike.base._memory import MemoryModule

States = tuple[Any, ...]

_lent: ContextVar[bool] = ContextVar("bitspike_states_are_lent", default=False)


@contextmanager
def lending() -> Iterator[None]:
    """While entered, modules run on states that were put into them for this run."""
    token = _lent.set(True)
    try:
        yield
    finally:
        _lent.reset(token)


def runs_again() -> bool:
    """Return whether a module runs inside of a backward pass, on the state of its last run.

    ``torch.utils.checkpoint`` runs modules a second time when backward reaches them. Inside of
    ``torch.compile`` it is False: no backward pass runs while modules are traced.
    """
    if torch.compiler.is_compiling():
        return False
    return torch._C._current_graph_task_id() != -1 and not _lent.get()


def memory_slots(modules: Iterable["MemoryModule"]) -> list[tuple["MemoryModule", str]]:
    """Return the memories of ``modules`` in order, each as its module and name."""
    return [(module, name) for module in modules for name, _ in module.named_memories()]


@contextmanager
def holding(modules: Sequence["MemoryModule"], states: Sequence[Any]) -> Iterator[None]:
    """While entered, ``modules`` hold ``states``, one for each memory; then their own again.

    Records are empty during that time: they belong to the module's own states.

    Raises:
        ValueError: if the number of states is not that of the memories.
    """
    slots = memory_slots(modules)
    if len(slots) != len(states):
        names = ", ".join(f"{type(module).__name__}.{name}" for module, name in slots) or "none"
        raise ValueError(
            f"the states must be one for each memory, {len(slots)} ({names}), but {len(states)} "
            "were given"
        )
    own = [(module, dict(module._memories), module._graph_node) for module in modules]
    try:
        for module in modules:
            module._graph_node = None  # of the module's own states
            module._memories.update(dict.fromkeys(module._records))
        for (module, name), state in zip(slots, states, strict=True):
            module._memories[name] = state
        with lending():
            yield
    finally:
        for module, memories, graph_node in own:
            module._memories.clear()
            module._memories.update(memories)
            module._graph_node = graph_node


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    """Return an output, or a tuple or list of outputs, as a tuple."""
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def only_one(outputs: tuple[Any, ...]) -> Any:
    """Return the output of a tuple of one; else the tuple."""
    return outputs[0] if len(outputs) == 1 else outputs
