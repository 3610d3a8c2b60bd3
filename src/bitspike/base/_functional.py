"""A network as a function of inputs and states."""

from collections.abc import Callable
from typing import Any

from torch import nn

from bitspike.base._chain import is_chain
from bitspike.base._memory import MemoryModule, extract_memories
from bitspike.base._states import States, as_tuple, holding, only_one

FunctionalForward = Callable[..., tuple[tuple[Any, ...], States]]


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
        )
    )


def _chain(module: nn.Module) -> Callable[..., Any]:
    def forward(*inputs: Any, **kwargs: Any) -> Any:
        for child in module.children():
            inputs, kwargs = as_tuple(child(*inputs, **kwargs)), {}
        return only_one(inputs)

    return forward
