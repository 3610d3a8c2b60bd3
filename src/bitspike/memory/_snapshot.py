"""Modules and the context of a call as they are now, to run the modules again in the same way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.base import MemoryModule, lending

Values = tuple[Any, ...]


class ModuleSnapshot:
    """Attributes, parameters, buffers and state of modules as they are now, see `restored`.

    Parameters and state come as tuples, for autograd to keep: the snapshot itself holds none of
    them, and so no graph. Buffers are small and may be changed by forward: it holds copies.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list({id(m): m for root in modules for m in root.modules()}.values())
        self.memories = [m for m in self.modules if isinstance(m, MemoryModule)]
        parameters = {
            id(p): p for m in self.modules for p in m._parameters.values() if p is not None
        }
        buffers = {id(b): b for m in self.modules for b in m._buffers.values() if b is not None}
        self.parameters = tuple(parameters.values())
        self._buffers = [b.clone() for b in buffers.values()]
        place = {
            "_parameters": {key: index for index, key in enumerate(parameters)},
            "_buffers": {key: index for index, key in enumerate(buffers)},
        }
        self._attributes: list[dict[str, Any]] = []  # places in place of tensors
        for module in self.modules:
            attributes = dict(vars(module))
            for kind in place:
                attributes[kind] = {
                    name: None if tensor is None else place[kind][id(tensor)]
                    for name, tensor in attributes[kind].items()
                }
            if isinstance(module, MemoryModule):
                attributes["_graph_node"] = None
                attributes["_memories"] = dict.fromkeys(module._memories)
            self._attributes.append(attributes)

    def states(self) -> Values:
        """Return all memories of the modules as they are now."""
        return tuple(value for m in self.memories for value in m._memories.values())

    def constant(self) -> tuple[bool, ...]:
        """Return which of the `states` have no gradient, whatever they are computed from."""
        return tuple(not m._states_carry_gradient for m in self.memories for _ in m._memories)

    def set_states(self, states: Values) -> None:
        """Put back what `states` returned."""
        values = iter(states)
        for module in self.memories:
            module._memories = {name: next(values) for name in module._memories}

    @contextmanager
    def restored(self, parameters: Values, states: Values) -> Iterator[None]:
        """While entered, the modules are as in the snapshot, with these parameters and states.

        The ``__dict__`` of each module is replaced for that time. ``torch.func.functional_call``
        replaces tensors only, but ``net.eval()``, a step mode or a threshold may have changed
        since the snapshot as well. Copies of the modules would not do either: closures, bound
        methods and parametrizations refer to the modules themselves, and the gradients of their
        parameters would be lost without a word.
        """
        current = [vars(module) for module in self.modules]
        tensors = {"_parameters": parameters, "_buffers": [b.clone() for b in self._buffers]}
        try:
            for module, attributes in zip(self.modules, self._attributes, strict=True):
                restored = dict(attributes)
                for kind, values in tensors.items():
                    restored[kind] = {
                        name: None if index is None else values[index]
                        for name, index in attributes[kind].items()
                    }
                object.__setattr__(module, "__dict__", restored)
            self.set_states(states)
            with lending():
                yield
        finally:
            for module, attributes in zip(self.modules, current, strict=True):
                object.__setattr__(module, "__dict__", attributes)


class CallContext:
    """Context variables (such as the backend), autocast and random numbers, as they are now."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.variables = copy_context()
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
        """Drop the states of the generators if no random number was drawn since."""
        now = self._random_states()
        if all(torch.equal(a, b) for a, b in zip(self._random, now, strict=True)):
            self._random = []

    def autocast(self) -> Any:
        """Return the same autocast, without its cache, which would mix up copies with a graph."""
        kind = self._device.type
        if self._autocast is not None:
            return torch.autocast(kind, dtype=self._autocast, cache_enabled=False)
        on = torch.is_autocast_enabled(kind)
        return torch.autocast(kind, enabled=False) if on else nullcontext()

    @contextmanager
    def restored(self) -> Iterator[None]:
        """While entered, autocast and random numbers are as they were."""
        cuda = [self._device] if self._device.type == "cuda" else []
        with self.autocast(), torch.random.fork_rng(cuda) if self._random else nullcontext():
            if self._random:
                torch.set_rng_state(self._random[0])
                for state in self._random[1:]:
                    torch.cuda.set_rng_state(state, self._device)
            yield
