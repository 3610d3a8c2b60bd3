"""A neuron's time loop as one fused scan forward and one backward, compiled from its step."""

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bitspike.kernels import _record
from bitspike.kernels._plan import Plan
from bitspike.kernels._record import KernelStore, Recorded, Step
from bitspike.kernels.numba._compile import Kernel
from bitspike.kernels.numba._memory import flat, pool
from bitspike.kernels.numba._reuse import is_alone, save_alone
from bitspike.kernels.numba._scan_source import BLOCK, Source, backward_source, forward_source
from bitspike.spikes import SpikeTensor
from bitspike.spikes._bits import word_count
from bitspike.spikes._layout import Rows

CACHED = 24 * 1024
"""Values that backward keeps of a task: few enough for the cache, and for malloc's own memory."""

_NUMPY: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}

_NOTHING = {dtype: np.empty(0, array_type) for dtype, array_type in _NUMPY.items()}
"""Arrays without elements, for what a kernel is not asked to write."""


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


def record(step: Step, x_seq: Tensor, states: Sequence[Tensor], key: Any = None) -> Recorded | str:
    """What ``step`` computes, or why it cannot run here; see `bitspike.kernels._record.record`."""
    return supports(x_seq, states) or _record.record(step, x_seq, states, key)


class _Kernels:
    """The two kernels of a plan in one precision, each made at its first use."""

    def __init__(self, plan: Plan, dtype: Any) -> None:
        self.plan, self.dtype = plan, dtype
        self._made: dict[str, Kernel] = {}

    def forward(self, bits: bool) -> Kernel:
        return self._kernel(f"bits{bits}", lambda: forward_source(self.plan, bits))

    def backward(self, held: bool) -> Kernel:
        return self._kernel(f"backward{held}", lambda: backward_source(self.plan, held))

    def _kernel(self, name: str, source: Callable[[], Source]) -> Kernel:
        if name not in self._made:
            made = source()
            function = made.function(self.dtype)
            text = f"{made.text}{sorted(made.constants.items())}{self.dtype}"
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            self._made[name] = Kernel(function, digest)
        return self._made[name]


def _array(numbers: list[Any], dtype: Any) -> Any:
    return np.array([float(value) for value in numbers], dtype)


_store = KernelStore(_Kernels, _array)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        recorded: Recorded,
        saving: bool,
        bits: bool,
        recording: bool,
        T: int,
        x_seq: Tensor,
        *tensors: Tensor,
    ) -> tuple[Any, ...]:
        states, fields = recorded.states, len(recorded.fields)
        starts, given, learned = (
            tensors[:states], tensors[states : states + fields], tensors[states + fields :],
        )  # fmt: skip
        shape = x_seq.shape[1:]
        R, N = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))
        x = _rows_of(x_seq.detach(), len(x_seq), R, N)
        dtype = _NUMPY[x.dtype]
        wanted = tuple(
            k for k, value in zip(recorded.learned, learned, strict=True) if value.requires_grad
        )
        kernels, numbers = recorded.kernels(_store, wanted, dtype)
        v_seq = torch.empty((T, *shape), dtype=x.dtype) if recording else None
        last = [pool.empty(tuple(shape), x.dtype) for _ in starts]
        # One number for all neurons stays one number.
        before = [start.contiguous() if any(start.stride()) else start for start in starts]
        wide = [field.expand(shape).contiguous() for field in given]
        words = np.empty((T, R, word_count(N)) if bits else 0, np.uint64)
        dense = None if bits else pool.empty((T, *shape), x.dtype)
        kernels.forward(bits)(
            flat(x), _stride_of_time(x, T), x.stride(1),
            words.reshape(-1) if dense is None else flat(dense),
            _NOTHING[x.dtype] if v_seq is None else flat(v_seq),
            T, R, N, _rows_a_task(BLOCK, N, x), numbers,
            *map(flat, before), *map(flat, last), *map(flat, wide),
            work=T * R * N * 0.12 * kernels.plan.forward,
        )  # fmt: skip
        ctx.set_materialize_grads(False)
        if saving:
            save_alone(ctx, x, *before, *wide)
            ctx.kernels, ctx.numbers = kernels, numbers
            ctx.x_shape, ctx.sizes = x_seq.shape, (T, R, N)
            ctx.given = [(field.shape, field.dtype) for field in given]
            ctx.learned = [
                (k, value.shape, value.dtype)
                for k, value in zip(recorded.learned, learned, strict=True)
            ]
        ends = last
        if dense is not None:
            return (dense, v_seq, *ends)
        lead, features = ((T, R), shape[1:]) if len(shape) > 1 else ((T,), shape)
        rows = torch.from_numpy(words.view(np.int64).reshape(*lead, -1))
        return (SpikeTensor(Rows(rows, tuple(features)), x.dtype), v_seq, *ends)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor | None, gv_seq: Tensor | None, *ends: Tensor | None) -> Any:
        x, *saved = ctx.saved_tensors
        kernels: _Kernels = ctx.kernels
        plan, (T, R, N) = kernels.plan, ctx.sizes
        before, wide = saved[: len(ends)], saved[len(ends) :]
        shape = ctx.x_shape[1:]
        g = _rows_of(_zero(x.dtype).expand(T, R, N) if g is None else g, T, R, N)
        held = len(x) < T
        gx = x if is_alone(x) and not held else _empty_like(x)
        wanted = ctx.needs_input_grad[-len(ctx.learned) - len(wide) - len(ends) :]
        first = [
            pool.empty(tuple(shape), x.dtype) if needed else None
            for needed, _ in zip(wanted, ends, strict=False)
        ]
        to_fields = [torch.empty(shape, dtype=x.dtype) for _ in wide]
        block = _block(T, len(plan.stored))
        rows = _rows_a_task(block, N, x, g, gx)
        tasks = -(-R // rows) * -(-N // block)
        learned = plan.gradients.numbers
        sums, nothing = np.empty((len(learned), tasks)), _NOTHING[x.dtype]
        kernels.backward(held)(
            flat(g), g.stride(0), g.stride(1),
            nothing if gv_seq is None else flat(gv_seq.contiguous()),
            flat(x), _stride_of_time(x, T), x.stride(1), flat(gx), gx.stride(0), gx.stride(1),
            sums, T, R, N, block, rows, ctx.numbers, *map(flat, before),
            *(nothing if end is None else flat(end.contiguous()) for end in ends),
            *(nothing if one is None else flat(one) for one in first),
            *map(flat, wide), *map(flat, to_fields),
            work=T * R * N * 0.08 * len(plan.program.nodes),
        )  # fmt: skip
        of_fields = [
            total.sum_to_size(size).to(kind)
            for total, (size, kind) in zip(to_fields, ctx.given, strict=True)
        ]
        totals = dict(zip(learned, sums.sum(1), strict=True)) if learned else {}
        of_numbers = [
            torch.tensor(totals[k], dtype=kind).view(size) if k in totals else None
            for k, size, kind in ctx.learned
        ]
        gradients = (gx.view(ctx.x_shape), *first, *of_fields, *of_numbers)
        return (None, None, None, None, None, *gradients)


@cache
def _zero(dtype: torch.dtype) -> Tensor:
    return torch.zeros((), dtype=dtype)


def _rows_of(x: Tensor, T: int, R: int, N: int) -> Tensor:
    """``x`` as ``[T, R, N]`` with neighbouring neurons side by side; a copy only if need be."""
    x = x.reshape(T, R, N)
    return x if x.stride(2) == 1 or N == 1 else x.contiguous()


def _stride_of_time(x: Tensor, T: int) -> int:
    """From one step of ``x`` to the next; 0 if there is but one of T, which is held."""
    return x.stride(0) if len(x) == T else 0


def _block(T: int, kept: int) -> int:
    """Neurons of a task whose ``kept`` values of all steps stay in the second-level cache."""
    most = CACHED // max(1, T * kept)
    return min(BLOCK, max(64, most // 64 * 64))


def _rows_a_task(block: int, N: int, *tensors: Tensor) -> int:
    """How many rows of N neurons a task takes: many short ones, if they lie without a gap."""
    if block < N or any(x.stride(1) != N for x in tensors):
        return 1
    return block // N


def _empty_like(x: Tensor) -> Tensor:
    """A gradient laid out as the input, so that what made the input can use it as it lies."""
    if x.is_contiguous():
        return pool.empty(tuple(x.shape), x.dtype)
    extent = max(n * stride for n, stride in zip(x.shape, x.stride(), strict=True))
    if not x.numel() <= extent <= 2 * x.numel() + 1024:  # an expanded view, or a sparse one
        return pool.empty(tuple(x.shape), x.dtype)
    return pool.empty((extent,), x.dtype).as_strided(x.shape, x.stride())


def scan(
    recorded: Recorded,
    x_seq: Tensor,
    states: Sequence[Tensor],
    store_v_seq: bool,
    bits: bool,
    T: int | None = None,
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """The same as `bitspike.kernels.eager.scan`, from what `record` has recorded.

    Args:
        recorded: the step's operations.
        x_seq: input ``[T, B, ...]``.
        states: before the first step, ``[B, ...]`` each.
        store_v_seq: True records the first state after each step.
        bits: whether spikes come as a `SpikeTensor` where the output is 0 and 1.
        T: number of steps that the one step ``x_seq`` is held for; None: all is there.
    """
    tensors, saving = recorded.tensors(x_seq, states)
    y, v_seq, *last = _Scan.apply(
        recorded, saving, bits and recorded.gives_bits, store_v_seq, T or len(x_seq), *tensors
    )
    return y, tuple(last), v_seq
