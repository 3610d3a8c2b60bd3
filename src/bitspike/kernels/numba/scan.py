"""A neuron's time loop as one fused scan forward and one backward, compiled from its step."""

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike.kernels._trace import NotTraceableError, Program, deciding_value, trace
from bitspike.kernels.numba._compile import Kernel
from bitspike.kernels.numba._memory import flat, pool, words_of
from bitspike.kernels.numba._scan_source import BLOCK, Plan, Source, backward_source, forward_source
from bitspike.spikes import SpikeTensor
from bitspike.spikes._bits import word_count
from bitspike.spikes._layout import Rows

Step = Callable[..., Sequence[Tensor]]

_NUMPY: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}


def supports(x_seq: Tensor, states: Sequence[Tensor]) -> str | None:
    """Why this backend cannot run a scan over ``x_seq``; None if it can."""
    if x_seq.device.type != "cpu":
        return f"the input is on {x_seq.device}"
    if x_seq.dtype not in _NUMPY:
        return f"the input is {x_seq.dtype}"
    for state in states:
        if state.dtype != x_seq.dtype:
            return f"the input is {x_seq.dtype}, a state {state.dtype}"
    return None


class Recorded:
    """What a step computes, with the kernels that were found for it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.states, self.fields = len(program.results) - 1, program.fields
        self.learned = [k for k, value in enumerate(program.numbers) if isinstance(value, Tensor)]
        self.gives_bits = deciding_value(program) is not None
        self._found: dict[Any, tuple[_Kernels, Any]] = {}

    def kernels(self, wanted: tuple[int, ...], dtype: Any) -> tuple["_Kernels", Any]:
        """The kernels with gradients of the numbers ``wanted``, and the numbers as an array."""
        found = self._found.get((wanted, dtype))
        if found is None:
            kernels, added = _kernels_of(self.program, wanted, dtype)
            values = [float(value) for value in self.program.numbers]
            found = kernels, np.array([*values, *added], dtype)
            self._found[wanted, dtype] = found
        return found


_records: dict[Any, Recorded] = {}
_KEPT = 256  # records and plans; a parameter that changes at each call would make more and more


def _keep(store: dict[Any, Any], key: Any, value: Any) -> None:
    store[key] = value
    if len(store) > _KEPT:
        del store[next(iter(store))]


def record(step: Step, x_seq: Tensor, states: Sequence[Tensor], key: Any = None) -> Recorded | str:
    """What ``step`` computes, or why that cannot be compiled.

    Args:
        step: the neuron's equations.
        x_seq: input ``[T, B, ...]``.
        states: before the first step.
        key: all that ``step`` depends on, hashable: an earlier record with the same key serves
            again. None if that is not known, or not only numbers.
    """
    why = supports(x_seq, states)
    if why is not None:
        return why
    if key is not None and key in _records:
        return _records[key]
    try:
        program = trace(step, len(states))
    except NotTraceableError as error:
        return f"the neuron's step cannot be compiled, since {error}"
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        # A step may do whatever Python can; what is wrong with it the eager engine will tell.
        return f"the neuron's step cannot be recorded: {error}"
    for field in program.fields:
        if torch.broadcast_shapes(field.shape, x_seq.shape[1:]) != x_seq.shape[1:]:
            return f"a parameter of shape {tuple(field.shape)} does not fit the input"
    recorded = Recorded(program)
    if key is not None and not recorded.learned and not recorded.fields:
        _keep(_records, key, recorded)
    return recorded


class _Kernels:
    """The two kernels of a plan in one precision, each made at its first use."""

    def __init__(self, plan: Plan, dtype: Any) -> None:
        self.plan, self.dtype = plan, dtype
        self._made: dict[str, Kernel] = {}

    def forward(self, bits: bool) -> Kernel:
        return self._kernel(f"bits{bits}", lambda: forward_source(self.plan, bits))

    def backward(self) -> Kernel:
        return self._kernel("backward", lambda: backward_source(self.plan))

    def _kernel(self, name: str, source: Callable[[], Source]) -> Kernel:
        if name not in self._made:
            made = source()
            function = made.function(self.dtype)
            text = f"{made.text}{sorted(made.constants.items())}{self.dtype}"
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            self._made[name] = Kernel(function, digest)
        return self._made[name]


_plans: dict[Any, tuple[_Kernels, tuple[float, ...]]] = {}


def _kernels_of(
    program: Program, wanted: tuple[int, ...], dtype: Any
) -> tuple[_Kernels, tuple[float, ...]]:
    """Kernels for a program's structure, and the numbers that its gradients add."""
    surrogates = tuple((type(s), s.parameters_of_shape()) for s in program.surrogates)
    key = (tuple(program.nodes), program.results, surrogates, wanted, dtype)
    found = _plans.get(key)
    if found is None:
        plan = Plan.of(program.copy(), wanted)
        added = tuple(float(value) for value in plan.program.numbers[plan.numbers :])
        found = _shared(plan, dtype), added
        _keep(_plans, key, found)
    return found


_structures: dict[Any, _Kernels] = {}


def _shared(plan: Plan, dtype: Any) -> _Kernels:
    """The kernels depend on the structure only: other numbers share them."""
    wanted = tuple(plan.gradients.numbers)  # the nodes alone do not tell whose gradient is used
    key = (tuple(plan.program.nodes), plan.program.results, plan.forward, wanted, dtype)
    return _structures.setdefault(key, _Kernels(plan, dtype))


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        recorded: Recorded,
        saving: bool,
        bits: bool,
        recording: bool,
        x_seq: Tensor,
        *tensors: Tensor,
    ) -> tuple[Any, ...]:
        states, fields = recorded.states, len(recorded.fields)
        starts, given, learned = (
            tensors[:states], tensors[states : states + fields], tensors[states + fields :],
        )  # fmt: skip
        T, *shape = x_seq.shape
        R, N = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))
        x = _rows_of(x_seq, T, R, N)
        wanted = tuple(
            k for k, value in zip(recorded.learned, learned, strict=True) if value.requires_grad
        )
        kernels, numbers = recorded.kernels(wanted, _NUMPY[x.dtype])
        plan = kernels.plan
        store = [pool.empty((T, R, N), x.dtype) for _ in plan.stored] if saving else []
        v_seq = torch.empty((T, *shape), dtype=x.dtype) if recording else None
        last = [torch.empty(shape, dtype=x.dtype) for _ in starts]
        wide = [field.expand(shape).contiguous() for field in given]
        if bits:
            out = torch.empty((T, R, word_count(N)), dtype=torch.int64)
        else:
            out = pool.empty((T, *shape), x.dtype)
        kernels.forward(bits)(
            flat(x), x.stride(0), x.stride(1), words_of(out) if bits else flat(out),
            _nothing(x.dtype) if v_seq is None else flat(v_seq),
            T, R, N, _rows_a_task(N, x), saving, numbers,
            *(flat(start.contiguous()) for start in starts), *map(flat, last), *map(flat, wide),
            *(map(flat, store) if saving else (_nothing(x.dtype) for _ in plan.stored)),
            work=x_seq.numel() * 0.12 * plan.forward,
        )  # fmt: skip
        ctx.set_materialize_grads(False)
        if saving:
            ctx.save_for_backward(x if plan.keeps_x else None, *store, *wide)
        ctx.kernels, ctx.numbers = kernels, numbers
        ctx.x_shape, ctx.x_strides, ctx.sizes = x_seq.shape, x.stride(), (T, R, N)
        ctx.given = [(field.shape, field.dtype) for field in given]
        ctx.learned = [
            (k, value.shape, value.dtype)
            for k, value in zip(recorded.learned, learned, strict=True)
        ]
        if bits:
            lead = (T, R) if len(shape) > 1 else (T,)
            features = tuple(shape[1:]) if len(shape) > 1 else tuple(shape)
            out = SpikeTensor(Rows(out.view(*lead, -1), features), x.dtype)
        return (out, v_seq, *last)

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, gv_seq: Tensor | None, *ends: Tensor | None) -> Any:
        x, *saved = ctx.saved_tensors
        kernels: _Kernels = ctx.kernels
        plan, (T, R, N) = kernels.plan, ctx.sizes
        dtype = torch.float32 if kernels.dtype is np.float32 else torch.float64
        store, wide = saved[: len(plan.stored)], saved[len(plan.stored) :]
        shape = ctx.x_shape[1:]
        nothing = torch.zeros((), dtype=dtype)
        g = _rows_of(nothing.expand(T, R, N) if g is None else g, T, R, N)
        at_end = [nothing.expand(shape) if end is None else end for end in ends]
        gx = _empty_like(ctx.x_strides, (T, R, N), dtype)
        first = [torch.empty(shape, dtype=dtype) for _ in ends]
        to_fields = [torch.empty(shape, dtype=dtype) for _ in wide]
        rows = _rows_a_task(N, g, gx, *([] if x is None else [x]))
        tasks = -(-R // rows) * -(-N // BLOCK)
        sums = np.empty((len(plan.gradients.numbers), tasks))
        x = nothing.expand(T, R, N) if x is None else x
        kernels.backward()(
            flat(g), g.stride(0), g.stride(1),
            _nothing(dtype) if gv_seq is None else flat(gv_seq.contiguous()),
            flat(x), x.stride(0), x.stride(1), flat(gx), gx.stride(0), gx.stride(1),
            sums, T, R, N, rows, ctx.numbers,
            *(flat(end.contiguous()) for end in at_end), *map(flat, first),
            *map(flat, wide), *map(flat, to_fields), *map(flat, store),
            work=T * R * N * 0.08 * len(plan.program.nodes),
        )  # fmt: skip
        of_fields = [
            total.sum_to_size(size).to(kind)
            for total, (size, kind) in zip(to_fields, ctx.given, strict=True)
        ]
        totals = dict(zip(plan.gradients.numbers, sums.sum(1), strict=True))
        of_numbers = [
            torch.tensor(totals[k], dtype=kind).view(size) if k in totals else None
            for k, size, kind in ctx.learned
        ]
        return (None, None, None, None, gx.reshape(ctx.x_shape), *first, *of_fields, *of_numbers)


@cache
def _nothing(dtype: torch.dtype) -> Any:
    """An array without elements, for what a kernel is not asked to write."""
    return np.empty(0, _NUMPY[dtype])


def _rows_of(x: Tensor, T: int, R: int, N: int) -> Tensor:
    """``x`` as ``[T, R, N]`` with neighbouring neurons side by side; a copy only if need be."""
    x = x.reshape(T, R, N)
    return x if x.stride(2) == 1 or N == 1 else x.contiguous()


def _rows_a_task(N: int, *tensors: Tensor) -> int:
    """How many rows of N neurons a task takes: many short ones, if they lie without a gap."""
    if N > BLOCK or any(x.stride(1) != N for x in tensors):
        return 1
    return BLOCK // N


def _empty_like(x_strides: tuple[int, ...], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A gradient laid out as the input was, so that what made the input can use it as it lies."""
    extent = max(n * stride for n, stride in zip(shape, x_strides, strict=True))
    elements = shape[0] * shape[1] * shape[2]
    if not elements <= extent <= 2 * elements + 1024:  # an expanded view, or a sparse one
        return pool.empty(shape, dtype)
    return pool.empty((extent,), dtype).as_strided(shape, x_strides)


def scan(
    recorded: Recorded, x_seq: Tensor, states: Sequence[Tensor], store_v_seq: bool, bits: bool
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """The same as `bitspike.kernels.eager.scan`, from what `record` has recorded.

    Args:
        recorded: the step's operations.
        x_seq: input ``[T, B, ...]``.
        states: before the first step, ``[B, ...]`` each.
        store_v_seq: True records the first state after each step.
        bits: whether spikes come as a `SpikeTensor` where the output is 0 and 1.
    """
    learned = [recorded.program.numbers[k] for k in recorded.learned]
    tensors = (x_seq, *states, *recorded.fields, *learned)
    saving = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)  # type: ignore[union-attr]
    y, v_seq, *last = _Scan.apply(
        recorded, saving, bits and recorded.gives_bits, store_v_seq, *tensors
    )
    return y, tuple(last), v_seq
