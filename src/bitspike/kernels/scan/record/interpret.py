"""A recorded step on torch's operations, with the numbers that it was recorded with."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.scan.record.program import Program

_LOGIC = {kind: f"logical_{kind}" for kind in ("and", "or", "not")}
"""All other operations have the names of torch's functions."""


def step_of(
    program: Program, fields: Sequence[Tensor], learned: Mapping[int, Tensor]
) -> Callable[..., tuple[Tensor, ...]]:
    """Return the recorded step: ``(x, *states)`` to ``(output, *states)``.

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
            taken = [values[place] for place in operands]
            if kind == "fire":
                return _Fire.apply(*taken)  # type: ignore[no-untyped-call]
            if kind == "pow":  # torch has special cases of exponents that are no tensors
                taken = [_plain(program, *pair) for pair in zip(operands, taken, strict=True)]
            return getattr(torch, _LOGIC.get(kind, kind))(*taken)

        for node in program.nodes:  # each looks at those before it
            values.append(value_of(*node))  # noqa: PERF401
        return tuple(values[place].expand(x.shape) for place in program.results)

    return step


def _plain(program: Program, place: int, value: Any) -> Any:
    kind, *which = program.nodes[place]
    number = which[0] if kind == "const" else value
    number = program.numbers[which[0]] if kind == "number" else number
    return number if isinstance(number, float) else value


class _Fire(torch.autograd.Function):
    """The value of a spike function, with the slope that it has in place of its own gradient."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return value.expand(u.shape).clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return g * slope, None, None
