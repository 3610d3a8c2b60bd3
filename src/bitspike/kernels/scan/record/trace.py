"""Record what a neuron's step computes, so that a backend can compile it.

A step is plain Python: ``step(x, *states) -> (y, *states)``. Called with a `Symbol` for the input
and for each state, it leaves behind a `Program`: its elementwise operations in order. Every float
that it meets becomes an argument of the program and not a part of it, so that another time
constant needs no other kernel; integers are constants.
"""

import operator
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from bitspike.kernels.scan.record import handlers  # noqa: F401 -- what symbols can do
from bitspike.kernels.scan.record.program import NotTraceableError, Program


def trace(
    step: Callable[..., Sequence[Any]],
    states: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    made: list[Any] | None = None,
) -> Program:
    """Record ``step(x, *states)``.

    Args:
        step: the neuron's equations.
        states: how many states it has.
        dtype: of the input and the states.
        device: where they are.
        made: takes weak references to all symbols.

    Raises:
        NotTraceableError: if it is not elementwise arithmetic, or does something beside it; the
            message says what.
    """
    program = Program(dtype, device)
    program.made = made
    symbols = [program.put("x"), *(program.put("state", k) for k in range(states))]
    with torch.enable_grad(), without_effect(step):
        program.recording = True
        try:
            results = step(*symbols)
        finally:
            program.recording = False
            if program.refusal is not None:
                raise NotTraceableError(program.refusal)
    if not isinstance(results, tuple | list) or len(results) != states + 1:
        count = len(results) if isinstance(results, tuple | list) else "other"
        raise NotTraceableError(f"it returns {count} values for an output and {states} states")
    program.results = tuple(program.number_of(result, "step").place for result in results)
    return program


@contextmanager
def without_effect(step: Callable[..., Any]) -> Iterator[None]:
    """Refuse a step that writes into its object or its variables, and undoes that.

    A kernel would not do it. What lies deeper is found out by `bitspike.kernels.scan.record.proof`.
    """
    own: dict[str, Any] = getattr(getattr(step, "__self__", None), "__dict__", {})
    cells = getattr(step, "__closure__", None) or ()
    names: tuple[str, ...] = step.__code__.co_freevars if cells else ()
    variables = [(name, cell, _content(cell)) for name, cell in zip(names, cells, strict=True)]
    named = [*own.items(), *((name, value) for name, _, value in variables)]
    tables = [own, *(value for _, value in named if isinstance(value, dict))]
    lists = [(name, value) for name, value in named if isinstance(value, list | deque)]
    before = [table.copy() for table in tables], [value.copy() for _, value in lists]
    written: set[str] = set()
    try:
        yield
    finally:
        for table, kept in zip(tables, before[0], strict=True):
            if not _same(table.values(), kept.values()):
                written |= {key for key in {*table, *kept} if table.get(key) is not kept.get(key)}
                table.clear()
                table.update(kept)
        for (name, now), then in zip(lists, before[1], strict=True):
            if not _same(now, then):
                written.add(name)
                now.clear()
                now.extend(then)
        for name, cell, value in variables:
            if _content(cell) is not value:
                written.add(name)
                cell.cell_contents = value
    if written:
        raise NotTraceableError(f"it writes into {', '.join(map(str, sorted(written)))}")


def _same(a: Collection[Any], b: Collection[Any]) -> bool:
    return len(a) == len(b) and all(map(operator.is_, a, b))


def _content(cell: Any) -> Any:
    """Return the value of a variable of an enclosing function; the cell itself if it has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell
