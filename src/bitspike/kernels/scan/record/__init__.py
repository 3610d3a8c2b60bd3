"""Recorded steps, and the kernels that were made for them."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from bitspike.kernels.scan import reference
from bitspike.kernels.scan.record.interpret import step_of
from bitspike.kernels.scan.record.plan import Plan
from bitspike.kernels.scan.record.program import NotTraceableError, Program, deciding_value
from bitspike.kernels.scan.record.proof import proved

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
    step: Step, states: int, shape: Sequence[int], like: Tensor, key: Any = None
) -> Recorded | str:
    """What ``step`` computes, or why that cannot be compiled.

    Args:
        step: the neuron's equations.
        states: how many states it has.
        shape: of the input at one step.
        like: a tensor of the input's dtype and device.
        key: all that ``step`` depends on, hashable: an earlier record with the same key serves
            again. None if that is not known, or not only numbers.
    """
    if key is not None:
        found = _records.get((key, like.dtype))
        if found is not None:
            return found
    if not states:
        return "the step has no state"
    try:
        program = proved(step, states, shape, like)
    except NotTraceableError as error:
        return f"the neuron's step cannot be compiled, since {error}"
    except Exception as error:
        # A step may do whatever Python can; what is wrong with it the eager engine will tell.
        return f"the neuron's step cannot be recorded: {type(error).__name__}: {error}"
    recorded = Recorded(program)
    if key is not None and not recorded.learned and not recorded.fields:
        _keep(_records, (key, like.dtype), recorded)
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


def scan_recorded(
    recorded: Recorded, x_seq: Tensor, tensors: Sequence[Tensor], store_v_seq: bool
) -> tuple[Tensor | None, ...]:
    """A whole sequence by the reference; see `bitspike.kernels.scan.reference.scan`.

    Args:
        recorded: the step.
        x_seq: input ``[T, B, ...]``.
        tensors: states, fields and learned numbers, in the order of `Recorded.tensors`.
        store_v_seq: True records the first state after each step.

    Returns:
        Outputs, the recorded states or None, the last states.
    """
    states, fields = recorded.states, recorded.states + len(recorded.fields)
    learned = dict(zip(recorded.learned, tensors[fields:], strict=True))
    step = step_of(recorded.program, tensors[states:fields], learned)
    y, last, v_seq = reference.scan(step, x_seq, tensors[:states], store_v_seq)
    return (y, v_seq, *last)
