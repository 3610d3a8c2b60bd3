"""The scan of a recorded step as an operator, and what a neuron calls under ``torch.compile``.

``torch.ops.bitspike.scan`` depends on its arguments alone: the operations of the step come as text,
the numbers that it computes with as floats, its parameters as tensors. So an exported program can
run it in another process.
"""

import math
from ast import literal_eval
from collections.abc import Sequence
from functools import lru_cache
from types import MethodType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from bitspike import dispatch
from bitspike.dispatch import constant_while_compiling
from bitspike.kernels.runtime.operator import operator
from bitspike.kernels.scan import reference
from bitspike.kernels.scan.record import Recorded, record, scan_recorded
from bitspike.kernels.scan.record.program import Node, NotTraceableError, Program
from bitspike.kernels.scan.record.trace import trace

Structure = tuple[tuple[Node, ...], tuple[int, ...], tuple[int, ...]]
"""A step's operations, where its results are, and which of its numbers are learned."""


@lru_cache(maxsize=256)
def _structure(step: str) -> Structure:
    nodes, results, learned = literal_eval(step)
    return nodes, results, learned


def recorded_step(
    step: str, numbers: Sequence[float], parameters: Sequence[Tensor], like: Tensor
) -> Recorded:
    """Return the record that `described` has put into text.

    Args:
        step: the text.
        numbers: the floats; at the places of learned numbers anything.
        parameters: the learned numbers, then the fields.
        like: a tensor of the input's dtype and device.
    """
    nodes, results, learned = _structure(step)
    leaves = {kind: {node[1] for node in nodes if node[0] == kind} for kind in ("number", "field")}
    fields = len(parameters) - len(learned)
    if max(leaves["number"], default=-1) >= len(numbers) or fields != len(leaves["field"]):
        raise ValueError(
            f"scan: the step computes with {len(leaves['number'])} numbers and "
            f"{len(learned) + len(leaves['field'])} parameters, but got {len(numbers)} numbers and "
            f"{len(parameters)} parameters; take them from bitspike.kernels.describe_step"
        )
    values: list[Any] = list(numbers)
    for place, value in zip(learned, parameters, strict=False):
        values[place] = value
    tensors = parameters[len(learned) :]
    return Recorded(Program.restore(nodes, results, values, tensors, like.dtype, like.device))


def check_states(
    states: Sequence[Tensor], step: str, shape: Sequence[int], dtype: torch.dtype
) -> None:
    """Raise ValueError unless these are the step's states, each of this shape and dtype."""
    count = len(_structure(step)[1]) - 1
    if len(states) != count:
        raise ValueError(f"scan: the step has {count} states, but got {len(states)}")
    for state in states:
        if tuple(state.shape) != tuple(shape) or state.dtype != dtype:
            raise ValueError(
                f"scan: a state must have the shape {tuple(shape)} and be {dtype}, but got "
                f"{tuple(state.shape)} and {state.dtype}"
            )


def describe_step(
    step: reference.Step, states: int, dtype: torch.dtype = torch.float32
) -> tuple[str, list[float], list[Tensor]]:
    """Return a neuron's step as ``torch.ops.bitspike.scan`` takes it.

    Args:
        step: the neuron's equations, ``step(x, *states) -> (y, *states)``.
        states: how many states it has.
        dtype: of its input and states.

    Returns:
        Its operations as text, the numbers that it computes with, and its parameters.

    Raises:
        TypeError: if it is not elementwise arithmetic.
    """
    return described(trace(step, states, dtype))


def described(program: Program) -> tuple[str, list[float], list[Tensor]]:
    """Return a record as text, its numbers, and its parameters, as the operator takes them."""
    values: list[Any] = program.numbers
    learned = tuple(k for k, value in enumerate(values) if not isinstance(value, float))
    numbers = [math.nan if k in learned else value for k, value in enumerate(values)]
    parameters = [values[k] for k in learned]
    text = _text(tuple(program.nodes), program.results, learned)
    return text, numbers, [*parameters, *program.fields]


@constant_while_compiling
def _text(*structure: Any) -> str:
    return repr(structure)


def _scan(
    x_seq: Tensor,
    states: list[Tensor],
    parameters: list[Tensor],
    numbers: list[float],
    step: str,
    store_v_seq: bool,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    if x_seq.ndim == 0 or len(x_seq) == 0:
        raise ValueError(f"scan: the input needs a time step, but got {tuple(x_seq.shape)}")
    check_states(states, step, x_seq.shape[1:], x_seq.dtype)
    recorded = recorded_step(step, numbers, parameters, x_seq)
    backend, reason = dispatch.explain("scan", x_seq, states, device=x_seq.device.type)
    if reason is None:
        kernels = dispatch.implementation("scan", backend)
        y, last, v_seq = kernels.scan(recorded, x_seq, states, store_v_seq, False)
    else:
        (_, *tensors), _ = recorded.tensors(x_seq, states)
        y, v_seq, *last = scan_recorded(recorded, x_seq, tensors, store_v_seq)
    return y, x_seq.new_empty(0) if v_seq is None else v_seq, list(last)


def _fake(
    x_seq: Tensor,
    states: list[Tensor],
    parameters: list[Tensor],
    numbers: list[float],  # noqa: ARG001
    step: str,
    store_v_seq: bool,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    shape = x_seq.shape
    for field in parameters[len(_structure(step)[2]) :]:
        pairs = zip(reversed(field.shape), reversed(shape[1:]), strict=False)
        if field.ndim >= len(shape) or not all(n in (1, size) for n, size in pairs):
            raise ValueError(
                f"scan: a parameter of shape {tuple(field.shape)} does not fit one time step of "
                f"the input, {tuple(shape[1:])}"
            )
    v_seq = x_seq.new_empty(shape if store_v_seq else (0,))
    return x_seq.new_empty(shape), v_seq, [x_seq.new_empty(shape[1:]) for _ in states]


scan_operator = operator(_scan, _fake, "scan")


def traced_scan(
    step: reference.Step,
    x_seq: Tensor,
    states: Sequence[Tensor],
    store_v_seq: bool,
    backend: str,
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """Run `bitspike.kernels.scan` while Dynamo traces it: by the operator, else by the reference.

    Dynamo follows the recording of the step. So it watches everything that the step reads, and
    compiles anew where a number or a method has changed.
    """
    node = step.__self__ if isinstance(step, MethodType) else None
    kinds = {x_seq.dtype, *(state.dtype for state in states)}
    fits = len(kinds) == 1 and x_seq.dtype in (torch.float32, torch.float64)
    if (
        node is None
        or not fits
        or not _can_record(node, len(states), x_seq.dtype, x_seq.device, x_seq.ndim - 1, backend)
    ):
        return reference.scan(step, x_seq, states, store_v_seq)
    program = Program(x_seq.dtype, x_seq.device)
    symbols = [program.put("x"), *(program.put("state", k) for k in range(len(states)))]
    with torch.enable_grad():
        results = step(*symbols)
    program.results = tuple(program.number_of(value, "step").place for value in results)
    text, numbers, parameters = described(program)
    y, v_seq, last = scan_operator(x_seq, list(states), parameters, numbers, text, store_v_seq)
    return y, tuple(last), v_seq if store_v_seq else None


@constant_while_compiling
def _can_record(
    node: Any, states: int, dtype: torch.dtype, device: torch.device, ndim: int, backend: str
) -> bool:
    """Return whether the step of ``node`` is proved to be what it records, outside of Dynamo."""
    requested = dispatch.resolve(backend)
    if requested == "eager":
        return False
    recorded: Recorded | str
    try:
        with _disable_current_modes():  # those of torch.export, which knows no values
            like = torch.empty(0, dtype=dtype, device=device)
            recorded = _record(node, states, ndim, like)
    except NotTraceableError as error:
        recorded = str(error)
    except Exception as error:  # a step may do whatever Python can
        recorded = f"{type(error).__name__}: {error}"
    if isinstance(recorded, str) and requested != "auto":
        dispatch.decline(requested, requested, recorded)
    return isinstance(recorded, Recorded)


def _record(node: Any, states: int, ndim: int, like: Tensor) -> Recorded | str:
    parameters = trace(node.step, states, like.dtype, like.device).tensors()
    broadcast: Any = torch.broadcast_shapes  # without types
    shape = broadcast(*(tensor.shape for tensor in parameters), (1,) * ndim)
    return record(node.step, states, shape, like)
