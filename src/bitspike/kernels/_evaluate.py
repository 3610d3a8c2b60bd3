"""A recorded step on torch's operations, with the numbers that it was recorded with."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels import eager
from bitspike.kernels._record import Recorded
from bitspike.kernels._trace import Program

_LOGIC = {"and": torch.logical_and, "or": torch.logical_or}
"""Of any number of truths. All other operations have the names of torch's functions."""


def step_of(
    program: Program, fields: Sequence[Tensor], learned: Mapping[int, Tensor]
) -> Callable[..., tuple[Tensor, ...]]:
    """The step that `trace` has recorded: ``(x, *states)`` to ``(output, *states)``.

    Args:
        program: the record.
        fields: in place of the program's own.
        learned: in place of those of the program's numbers that are tensors, by position.
    """

    def step(x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        values: list[Any] = []

        def value_of(kind: str, *operands: Any) -> Any:
            if kind == "x":
                return x
            if kind == "state":
                return states[operands[0]]
            if kind == "const":
                return torch.full((), operands[0], dtype=x.dtype, device=x.device)
            if kind == "number":
                number = learned.get(operands[0], program.numbers[operands[0]])
                return torch.as_tensor(number, dtype=x.dtype, device=x.device)
            if kind == "field":
                return fields[operands[0]].to(x.dtype)
            if kind == "fire":
                return program.surrogates[operands[2]](values[operands[0]])
            taken = [values[place] for place in operands]
            if kind in _LOGIC:
                return reduce(_LOGIC[kind], taken)
            return torch.logical_not(*taken) if kind == "not" else getattr(torch, kind)(*taken)

        for node in program.nodes:
            values.append(value_of(*node))
        return tuple(values[place].expand(x.shape) for place in program.results)

    return step


def scan_recorded(
    recorded: Recorded, x_seq: Tensor, tensors: Sequence[Tensor], store_v_seq: bool
) -> tuple[Tensor | None, ...]:
    """A whole sequence by the reference; see `bitspike.kernels.eager.scan`.

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
    y, last, v_seq = eager.scan(step, x_seq, tensors[:states], store_v_seq)
    return (y, v_seq, *last)
