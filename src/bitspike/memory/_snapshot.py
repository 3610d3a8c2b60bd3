"""Modules and what is around them, as they are now, so that they can run again in the same way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.base import MemoryModule, lending

Values = tuple[Any, ...]


class Scene:
    """Modules as they are now, to be staged again later: attributes, parameters, buffers, state.

    Parameters and state come as tuples, for autograd to keep: the scene itself holds none of
    them, and so no graph. Buffers are small and may be changed by forward: it holds copies.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list({id(m): m for root in modules for m in root.modules()}.values())
        self.memories = [m for m in self.modules if isinstance(m, MemoryModule)]
        found: dict[int, Tensor] = {}
        for module in self.modules:
            found.update((id(p), p) for p in module._parameters.values() if p is not None)
        self.parameters = tuple(found.values())
        place = {key: index for index, key in enumerate(found)}
        self._parameters: list[dict[str, int | None]] = []
        self._buffers: list[dict[str, Tensor | None]] = []
        self._attributes: list[dict[str, Any]] = []
        for module in self.modules:
            attributes = dict(module.__dict__)
            if isinstance(module, MemoryModule):
                attributes["_graph_node"] = None
                attributes["_memories"] = None
            self._attributes.append(attributes)
            self._parameters.append(
                {k: None if p is None else place[id(p)] for k, p in module._parameters.items()}
            )
            self._buffers.append(
                {k: None if b is None else b.clone() for k, b in module._buffers.items()}
            )

    def states(self) -> Values:
        """All memories of the modules as they are now."""
        return tuple(value for m in self.memories for value in m._memories.values())

    def constant(self) -> tuple[bool, ...]:
        """Which of the `states` have no gradient whatever they were made of."""
        return tuple(not m._states_carry_gradient for m in self.memories for _ in m._memories)

    def set_states(self, states: Values) -> None:
        """Puts back what `states` returned."""
        values = iter(states)
        for module in self.memories:
            module._memories = {name: next(values) for name in module._memories}

    @contextmanager
    def staged(self, parameters: Values, states: Values) -> Iterator[None]:
        """While entered, the modules are what they were, with these parameters and states."""
        live = [module.__dict__ for module in self.modules]
        shared: dict[int, Tensor] = {}  # of tied buffers there is one copy
        try:
            for number, module in enumerate(self.modules):
                stage = dict(self._attributes[number])
                stage["_parameters"] = {
                    name: None if index is None else parameters[index]
                    for name, index in self._parameters[number].items()
                }
                stage["_buffers"] = {
                    name: None if b is None else shared.setdefault(id(b), b.clone())
                    for name, b in self._buffers[number].items()
                }
                if isinstance(module, MemoryModule):
                    stage["_memories"] = dict.fromkeys(live[number]["_memories"])
                object.__setattr__(module, "__dict__", stage)
            self.set_states(states)
            with lending():
                yield
        finally:
            for module, attributes in zip(self.modules, live, strict=True):
                object.__setattr__(module, "__dict__", attributes)


class Surroundings:
    """Backend, autocast and random numbers, as they are now."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.context = copy_context()
        kind = device.type
        self._autocast: torch.dtype | None = None
        if torch.is_autocast_enabled(kind):
            self._autocast = torch.get_autocast_dtype(kind)
        self._random: list[Tensor] = self._random_states()

    def _random_states(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        if self._device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self._device))
        return states

    def forget_randomness_unless_used(self) -> None:
        """Called after forward: nothing is to be kept if it drew no random numbers."""
        now = self._random_states()
        if all(torch.equal(a, b) for a, b in zip(self._random, now, strict=True)):
            self._random = []

    def autocast(self) -> Any:
        """The same autocast. Without its cache, which does not distinguish copies with a graph."""
        kind = self._device.type
        if self._autocast is not None:
            return torch.autocast(kind, dtype=self._autocast, cache_enabled=False)
        on = torch.is_autocast_enabled(kind)
        return torch.autocast(kind, enabled=False) if on else nullcontext()

    @contextmanager
    def again(self) -> Iterator[None]:
        """While entered, autocast and random numbers are what they were."""
        cuda = [self._device] if self._device.type == "cuda" else []
        with self.autocast(), torch.random.fork_rng(cuda) if self._random else nullcontext():
            if self._random:
                torch.set_rng_state(self._random[0])
                for state in self._random[1:]:
                    torch.cuda.set_rng_state(state, self._device)
            yield


def replaced(before: Values, after: Values) -> list[int]:
    """The states that a run has replaced by other tensors."""
    return [
        place
        for place, (old, new) in enumerate(zip(before, after, strict=True))
        if isinstance(new, Tensor) and new is not old
    ]
