"""The proof that a recorded step computes what the step does: both run on the same values.

A step may look at what a symbol is, draw random numbers, count its calls or keep its values
elsewhere, and none of that is in its record. So before a record is trusted for the first time, the
step is recorded again and run on a sample: numbers, values and gradients have to be the same.
"""

import gc
import math
import random
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels.scan.record.interpret import step_of
from bitspike.kernels.scan.record.program import NotTraceableError, Program
from bitspike.kernels.scan.record.trace import trace, without_effect

Step = Callable[..., Sequence[Any]]

_ROWS = 64
_SPECIAL = (0.0, -0.0, 1.0, math.nan, -1.0, math.inf, 0.5, -math.inf, 2.5, 1e30, -3.5, 1e-42)


def _source_of(step: Any) -> Hashable:
    """Return the code that a step is made of, as far as it can be seen from outside."""
    if isinstance(step, MethodType):
        return step.__func__.__code__, _source_of_object(step.__self__)
    return _source_of_value(step, 0)


def _source_of_value(value: Any, depth: int) -> Hashable:
    if isinstance(value, FunctionType):
        return value.__code__, *_sources(map(_content, value.__closure__ or ()), depth)
    if isinstance(value, MethodType):
        return value.__func__.__code__, type(value.__self__)
    if isinstance(value, list | tuple):
        return tuple(_sources(value, depth))
    if isinstance(value, partial):
        return _source_of_value(value.func, depth), *_sources(value.args, depth)
    return _source_of_object(value)


def _sources(values: Iterable[Any], depth: int) -> Iterator[Hashable]:
    return (_source_of_value(value, depth + 1) for value in values if depth < _DEPTH)


def _source_of_object(thing: Any) -> Hashable:
    own = getattr(thing, "__dict__", None)
    if not isinstance(own, dict):
        return (type(thing),)
    functions = (f.__code__ for f in own.values() if type(f) is FunctionType)
    return type(thing), own.get("training"), *functions


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet assigned
        return None


_DEPTH = 3
_KEPT = 1024
_verdicts: dict[Any, str | None] = {}
"""Why a step cannot be recorded, by its code, or by that and its record; None if it can."""


def proved(step: Step, states: int, shape: Sequence[int], like: Tensor) -> Program:
    """Return the record of ``step``, after proving that it does what the step does.

    Args:
        step: the neuron's equations.
        states: how many states it has.
        shape: of the input at one step.
        like: a tensor of the input's dtype and device.

    Raises:
        NotTraceableError: if it cannot be recorded, or does something else; the message says what.
    """
    source = _source_of(step)
    known = source in _verdicts
    if known:
        _raise(_verdicts[source])
    before = None if known else _RandomState()
    try:
        program = trace(step, states, like.dtype, like.device)
    finally:
        if before is not None:
            keep(_verdicts, source, before.put_back(), _KEPT)
    _check_fit(program, shape)
    seen = (source, tuple(program.nodes), program.results, like.dtype, torch.is_grad_enabled())
    if seen not in _verdicts:
        _raise(_verdicts[source])
        before = _RandomState()
        why = None
        try:
            why = _impurity(step, program)
            verdict = _difference(step, program, shape) if why is None else why
            keep(_verdicts, seen, verdict, _KEPT)
        finally:
            keep(_verdicts, source, before.put_back() or why, _KEPT)
    _raise(_verdicts[seen])
    return program


def _raise(why: str | None) -> None:
    if why is not None:
        raise NotTraceableError(why)


def keep(store: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Put ``value`` into a store of ``most`` entries, whose oldest goes when it is full."""
    store[key] = value
    if len(store) > most:
        del store[next(iter(store))]


def _check_fit(program: Program, shape: Sequence[int]) -> None:
    """Refuse tensors that would change the shape or the dtype of what they meet."""
    for tensor in program.tensors():
        if not tensor.ndim and shape:
            continue  # it takes the dtype of what it meets
        fits: Any = torch.broadcast_shapes  # without types
        try:
            same = fits(tensor.shape, shape) == shape
        except RuntimeError:
            same = False
        if not same:
            raise NotTraceableError(
                f"a parameter of shape {tuple(tensor.shape)} does not fit the input"
            )
        if torch.promote_types(tensor.dtype, program.dtype) != program.dtype:
            raise NotTraceableError(f"a parameter is {tensor.dtype}, the input {program.dtype}")


class _RandomState:
    """Where the random generators of Python, NumPy and torch stand."""

    def __init__(self) -> None:
        self.python, self.torch = random.getstate(), torch.get_rng_state()
        self.numpy = _numpy_state()

    def put_back(self) -> str | None:
        """Put the generators back; return the reason to refuse a step if that was needed."""
        moved = False
        if random.getstate() != self.python:
            moved = True
            random.setstate(self.python)
        if not torch.equal(torch.get_rng_state(), self.torch):
            moved = True
            torch.set_rng_state(self.torch)
        if self.numpy is not None and _numpy_state() != self.numpy:
            moved = True
            name, words, *rest = self.numpy
            numpy = sys.modules["numpy"]
            numpy.random.set_state((name, numpy.frombuffer(words, numpy.uint32), *rest))
        return "it draws random numbers" if moved else None


def _numpy_state() -> tuple[Any, ...] | None:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    name, words, *rest = numpy.random.get_state()
    return name, words.tobytes(), *rest


def _impurity(step: Step, program: Program) -> str | None:
    """Return what the step does besides its arithmetic, as two records of it tell."""
    symbols: list[Any] = []
    again = trace(step, len(program.results) - 1, program.dtype, program.device, symbols)
    if again.nodes != program.nodes or again.results != program.results:
        return "it computes something else when it is called again"
    if not all(map(_equal, again.numbers, program.numbers)) or not all(
        map(_equal, again.fields, program.fields)
    ):
        return "it computes with other numbers when it is called again"
    if any(symbol() is not None for symbol in symbols):
        gc.collect()
        if any(symbol() is not None for symbol in symbols):
            return "it keeps values of a time step elsewhere"
    return None


def _itself(x: Tensor) -> Tensor:
    return x


def _version(x: Tensor) -> int:
    return 0 if x.is_inference() else x._version


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        same = a is b or (a.shape == b.shape and a.dtype == b.dtype and _matches(a, b))
        return same and a.requires_grad == b.requires_grad
    return type(a) is type(b) and (a == b or (a != a and b != b))


def _matches(a: Tensor, b: Tensor) -> bool:
    return bool(((a == b) | ((a != a) & (b != b))).all())


def _difference(step: Step, program: Program, shape: Sequence[int]) -> str | None:
    """Return what differs between the step and its record on a sample."""
    versions = [_version(tensor) for tensor in program.tensors()]
    try:
        # Whoever watches what autograd saves is not to see this.
        with torch.autograd.graph.saved_tensors_hooks(_itself, _itself), without_effect(step):
            why = _compare(step, program, shape)
    except NotTraceableError as error:
        return str(error)
    except Exception as error:  # a step may do whatever Python can
        return f"it does not run on a sample: {type(error).__name__}: {error}"
    if why is None and versions != [_version(tensor) for tensor in program.tensors()]:
        return "it writes into a tensor that it computes with"
    return why


def _compare(step: Step, program: Program, shape: Sequence[int]) -> str | None:
    sizes = [tensor.shape for tensor in program.tensors()]
    needed: Any = torch.broadcast_shapes  # without types
    size = list(needed(*sizes, (1,) * len(shape)))
    if size and size[0] == 1:
        size[0] = _ROWS
    numbers = enumerate(program.numbers)
    learned = {k: number for k, number in numbers if isinstance(number, Tensor)}
    recorded = step_of(program, program.fields, learned)
    generator = torch.Generator().manual_seed(0)
    count = len(program.results)
    for special in (True, False):
        given = [_sample(size, k if special else None, program, generator) for k in range(count)]
        learning = torch.is_grad_enabled() and not special
        results = []
        for run in (step, recorded):
            inputs = [x.clone().requires_grad_(learning) for x in given]
            values = tuple(run(*inputs))
            for value in values:
                if value.shape != given[0].shape or value.dtype != program.dtype:
                    return f"it gives a {value.dtype} of shape {tuple(value.shape)}"
            results.append([*values, *(_gradients(values, inputs) if learning else ())])
        for k, (got, want) in enumerate(zip(*results, strict=True)):
            same = _matches(got, want) if k < count else _nearly(got, want)
            if not same:
                return f"{'values' if k < count else 'gradients'} differ from what is recorded"
    return None


def _nearly(a: Tensor, b: Tensor) -> bool:
    """Return whether gradients are equal, although they are added up in another order."""
    finite = a.isfinite() & b.isfinite()
    a, b = a[finite], b[finite]
    return bool(((a - b).abs() <= 1e-3 * (1 + b.abs())).all())


def _sample(
    size: Sequence[int], special: int | None, program: Program, generator: torch.Generator
) -> Tensor:
    x = 1.5 * torch.randn(size, generator=generator, dtype=program.dtype, device="cpu")
    if special is not None:
        values = torch.tensor(_SPECIAL, dtype=program.dtype, device="cpu")
        flat = x.view(-1)
        # Input and states meet in other pairs in each round through the values.
        place = torch.arange(len(flat), device="cpu")
        take = place + special * (1 + place // len(values))
        flat[...] = torch.where(place % 4 == 3, flat, values[take % len(values)])
    return x.to(program.device)


def _gradients(values: Sequence[Tensor], inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    total = sum(((k + 1) * value).sum() for k, value in enumerate(values))
    if not isinstance(total, Tensor) or not total.requires_grad:
        return [torch.zeros_like(x) for x in inputs]
    return torch.autograd.grad(total, inputs, materialize_grads=True)
