"""Recorded steps, and the kernels that were made for them."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from bitspike.kernels._current import Current
from bitspike.kernels._plan import Plan
from bitspike.kernels._program import NotTraceableError, Program, deciding_value
from bitspike.kernels._proof import proved

Step = Callable[..., Sequence[Tensor]]
Kernels = TypeVar("Kernels")

_KEPT = 256  # records and plans; a parameter that changes at each call would make more and more


class Recorded:
    """What a step computes, with the kernels that were found for it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.states, self.fields = len(program.results) - 1, program.fields
        self.learned = [k for k, value in enumerate(program.numbers) if isinstance(value, Tensor)]
        self.gives_bits = deciding_value(program) is not None
        self._found: dict[Any, Any] = {}

    def tensors(self, x_seq: Tensor, states: Sequence[Tensor]) -> tuple[tuple[Any, ...], bool]:
        """What a scan computes with, and whether backward may be asked for gradients of it.

        In order: the input, the states, the fields, the learned numbers.
        """
        learned = [self.program.numbers[k] for k in self.learned]
        tensors: tuple[Any, ...] = (x_seq, *states, *self.fields, *learned)
        return tensors, torch.is_grad_enabled() and any(one.requires_grad for one in tensors)

    def kernels(
        self, store: "KernelStore[Kernels]", wanted: tuple[int, ...], form: Hashable
    ) -> tuple[Kernels, Any]:
        """The kernels with gradients of the numbers ``wanted``, and the numbers as an array."""
        found: tuple[Kernels, Any] | None = self._found.get((store, wanted, form))
        if found is None:
            kernels = store.find(self.program, wanted, form)
            found = kernels, store.array(self.program.numbers, form)
            self._found[store, wanted, form] = found
        return found


_records: dict[Any, Recorded] = {}


def _keep(store: dict[Any, Any], key: Any, value: Any) -> None:
    store[key] = value
    if len(store) > _KEPT:
        del store[next(iter(store))]


def record(
    step: Step, x_seq: Tensor | Current, states: Sequence[Tensor], key: Any = None
) -> Recorded | str:
    """What ``step`` computes, or why that cannot be compiled.

    Args:
        step: the neuron's equations.
        x_seq: input ``[T, B, ...]``.
        states: before the first step.
        key: all that ``step`` depends on, hashable: an earlier record with the same key serves
            again. None if that is not known, or not only numbers.
    """
    if key is not None:
        found = _records.get((key, x_seq.dtype))
        if found is not None:
            return found
    if not states:
        return "a scan without a state is none"
    shape = x_seq.shape[1:]
    for state in states:
        if state.shape != shape and not isinstance(x_seq, Current):
            return f"a state has the shape {tuple(state.shape)}, a step {tuple(shape)}"
    try:
        program = proved(step, len(states), x_seq)
    except NotTraceableError as error:
        return f"the neuron's step cannot be compiled, since {error}"
    except Exception as error:
        # A step may do whatever Python can; what is wrong with it the eager engine will tell.
        return f"the neuron's step cannot be recorded: {type(error).__name__}: {error}"
    recorded = Recorded(program)
    if key is not None and not recorded.learned and not recorded.fields:
        _keep(_records, (key, x_seq.dtype), recorded)
    return recorded


class KernelStore(Generic[Kernels]):
    """A backend's kernels by the structure of the step that they were made for.

    Args:
        make: the kernels of a plan in one form, that is, precision or whatever else they differ in.
        array: numbers as the kernels take them.
    """

    def __init__(
        self, make: Callable[[Plan, Any], Kernels], array: Callable[[list[Any], Any], Any]
    ) -> None:
        self._make, self.array = make, array
        self._plans: dict[Any, Kernels] = {}
        self._structures: dict[Any, Kernels] = {}

    def find(self, program: Program, wanted: tuple[int, ...], form: Hashable) -> Kernels:
        """Kernels for a program's structure."""
        key = (tuple(program.nodes), program.results, wanted, form)
        found = self._plans.get(key)
        if found is None:
            plan = Plan.of(program.copy(), wanted)
            found = self._shared(plan, form)
            _keep(self._plans, key, found)
        return found

    def _shared(self, plan: Plan, form: Hashable) -> Kernels:
        """The kernels depend on the structure only: other numbers share them."""
        wanted = tuple(plan.gradients.numbers)  # the nodes alone do not tell whose gradient is used
        key = (tuple(plan.program.nodes), plan.program.results, plan.forward, wanted, form)
        if key not in self._structures:
            # Values are no part of it; kept, they would hold on to parameters and their graph.
            plan.program.numbers = [0.0] * len(plan.program.numbers)
            plan.program.fields = [torch.empty(0, device="cpu")] * len(plan.program.fields)
            self._structures[key] = self._make(plan, form)
        return self._structures[key]
