"""Recorded steps, and the kernels that were made for them."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.scan import reference
from bitspike.kernels.scan.record.interpret import step_of
from bitspike.kernels.scan.record.plan import Plan
from bitspike.kernels.scan.record.program import NotTraceableError, Program, deciding_value
from bitspike.kernels.scan.record.proof import keep, proved

Step = Callable[..., Sequence[Tensor]]

_KEPT = 256  # records and plans; a parameter that changes at each call would make more and more


class Recorded:
    """The operations of a step, with the kernels that were made for them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.states, self.fields = len(program.results) - 1, program.fields
        self.learned = [k for k, value in enumerate(program.numbers) if isinstance(value, Tensor)]
        self.gives_bits = deciding_value(program) is not None
        self._chosen: dict[Any, Any] = {}

    def tensors(self, x_seq: Tensor, states: Sequence[Tensor]) -> tuple[tuple[Any, ...], bool]:
        """Return the tensors of a scan, and whether backward may be asked for their gradients.

        In order: the input, the states, the fields, the learned numbers.
        """
        learned = [self.program.numbers[k] for k in self.learned]
        tensors: tuple[Any, ...] = (x_seq, *states, *self.fields, *learned)
        return tensors, torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)

    def split(self, tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], ...]:
        """Return states, fields and learned numbers of the `tensors` behind the input."""
        fields = self.states + len(self.fields)
        return tensors[: self.states], tensors[self.states : fields], tensors[fields:]

    def kernels(
        self, store: "KernelStore", learned: Sequence[Tensor], form: Hashable
    ) -> tuple["Kernels", Any]:
        """Return the kernels, with gradients of the numbers that want one, and the numbers."""
        wanted = tuple(
            k for k, value in zip(self.learned, learned, strict=True) if value.requires_grad
        )
        entry: tuple[Kernels, Any] | None = self._chosen.get((store, wanted, form))
        if entry is None:
            kernels = store.find(self.program, wanted, form)
            entry = kernels, store.array(self.program.numbers, form)
            self._chosen[store, wanted, form] = entry
        return entry


_records: dict[Any, Recorded] = {}


def record(
    step: Step, states: int, shape: Sequence[int], like: Tensor, key: Any = None
) -> Recorded | str:
    """Return the record of ``step``, or why that cannot be compiled.

    Args:
        step: the neuron's equations.
        states: how many states it has.
        shape: of the input at one step.
        like: a tensor of the input's dtype and device.
        key: all that ``step`` depends on, hashable: an earlier record with the same key serves
            again. None if that is not known, or not only numbers.
    """
    if key is not None:
        recorded = _records.get((key, like.dtype))
        if recorded is not None:
            return recorded
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
        keep(_records, (key, like.dtype), recorded, _KEPT)
    return recorded


class Kernels:
    """The kernels of a plan in one form, each made at its first use."""

    def __init__(self, plan: Plan, form: Any, make: Callable[..., Any]) -> None:
        self.plan, self._form, self._make = plan, form, make
        self._made: dict[Any, Any] = {}

    def kernel(self, source: Callable[..., Any], *options: Any) -> Any:
        """Return the kernel whose source text ``source(plan, ...)`` writes."""
        kernel = self._made.get((source, *options))
        if kernel is None:
            kernel = self._make(source, self.plan, self._form, *options)
            self._made[source, *options] = kernel
        return kernel


class KernelStore:
    """A backend's kernels by the structure of the step that they were made for.

    Args:
        make: ``make(source, plan, form, *options)`` returns a kernel. The form is a precision or
            anything else in which the kernels of a plan differ.
        array: ``array(numbers, form)`` returns the numbers as the kernels take them.
    """

    def __init__(self, make: Callable[..., Any], array: Callable[[list[Any], Any], Any]) -> None:
        self._make, self.array = make, array
        self._plans: dict[Any, Kernels] = {}
        self.structures: dict[Any, Kernels] = {}

    def find(self, program: Program, wanted: tuple[int, ...], form: Hashable) -> Kernels:
        """Return the kernels for a program's structure."""
        key = (tuple(program.nodes), program.results, wanted, form)
        kernels = self._plans.get(key)
        if kernels is None:
            kernels = self._shared(Plan.of(program.copy(), wanted), form)
            keep(self._plans, key, kernels, _KEPT)
        return kernels

    def _shared(self, plan: Plan, form: Hashable) -> Kernels:
        """Return kernels that depend on the structure only: other numbers share them."""
        wanted = tuple(plan.gradients.numbers)  # the nodes alone do not tell whose gradient is used
        key = (tuple(plan.program.nodes), plan.program.results, plan.forward, wanted, form)
        if key not in self.structures:
            # Values are no part of it; kept, they would hold on to parameters and their graph.
            plan.program.numbers = [0.0] * len(plan.program.numbers)
            plan.program.fields = [torch.empty(0, device="cpu")] * len(plan.program.fields)
            self.structures[key] = Kernels(plan, form, self._make)
        return self.structures[key]


def scan_recorded(
    recorded: Recorded, x_seq: Tensor, tensors: Sequence[Tensor], store_v_seq: bool
) -> tuple[Tensor | None, ...]:
    """Run a whole sequence by the reference; see `bitspike.kernels.scan.reference.scan`.

    Args:
        recorded: the step.
        x_seq: input ``[T, B, ...]``.
        tensors: states, fields and learned numbers, in the order of `Recorded.tensors`.
        store_v_seq: True records the first state after each step.

    Returns:
        Outputs, the recorded states or None, the last states.
    """
    states, fields, learned = recorded.split(tensors)
    step = step_of(recorded.program, fields, dict(zip(recorded.learned, learned, strict=True)))
    y, last, v_seq = reference.scan(step, x_seq, states, store_v_seq)
    return (y, v_seq, *last)
