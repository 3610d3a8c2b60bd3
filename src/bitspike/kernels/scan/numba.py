"""A neuron's time loop as one fused scan forward and one backward, compiled from its step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.memory import not_on_cpu, pool
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.scan.numba_source import BLOCK, Source, backward_source, forward_source
from bitspike.kernels.scan.record import Kernels, KernelStore, Recorded, scan_recorded
from bitspike.kernels.scan.record.plan import Plan
from bitspike.spikes import Rows, SpikeTensor, own, word_count

CACHED = 24 * 1024
"""Values that backward keeps of a task: few enough for the cache, and for malloc's own memory."""

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


def make_kernel(
    source: Callable[..., Source], plan: Plan, dtype: torch.dtype, *options: Any
) -> Kernel:
    """Return the kernel that ``source`` writes."""
    return source(plan, *options).kernel(dtype)


def numbers_array(numbers: list[Any], dtype: torch.dtype) -> Any:
    """Return the numbers of a program as kernels take them."""
    return np.array([float(value) for value in numbers], _NUMPY[dtype])


store = KernelStore(make_kernel, numbers_array)


def unsupported(x_seq: Tensor, states: Sequence[Tensor]) -> str | None:
    """Return why this backend cannot run a scan over ``x_seq``; None if it can."""
    return not_on_cpu(x_seq, *states, dtypes=tuple(_NUMPY))


@dataclass(frozen=True, slots=True)
class _Sizes:
    """A sequence as T steps of R rows of N neurons."""

    T: int
    R: int
    N: int
    features: tuple[int, ...]
    words: tuple[int, ...]  # shape of the spikes as bits


@lru_cache
def _sizes(T: int, shape: tuple[int, ...]) -> _Sizes:
    lead, features = (shape[:1], shape[1:]) if len(shape) > 1 else ((), shape)
    N = math.prod(features)
    return _Sizes(T, math.prod(lead), N, tuple(features), (T, *lead, word_count(N)))


def _strides(x: Tensor, sizes: _Sizes) -> tuple[int, int]:
    """Return the strides of time, 0 where one step is constant, and of rows of ``x``."""
    if x.is_contiguous():
        return (sizes.R * sizes.N if len(x) == sizes.T else 0), sizes.N
    time, row, _ = x.stride()
    return (time if len(x) == sizes.T else 0), row


_OPTIONS = 5
"""Arguments of `_Scan` before its tensors."""


def _reference(ctx: Any) -> tuple[Arguments, Callable[..., Any]]:
    def compute(*arguments: Any) -> tuple[Tensor | None, ...]:
        x_seq, *tensors = arguments[_OPTIONS:]
        x_seq = x_seq.expand(ctx.sizes.T, *x_seq.shape[1:])
        return scan_recorded(ctx.recorded, x_seq, tensors, ctx.recording)

    return (*(None,) * _OPTIONS, *ctx.saved_tensors), compute


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
        starts, given, learned = recorded.split(tensors)
        shape, kind = x_seq.shape[1:], x_seq.dtype
        sizes = _sizes(T, shape)
        x = _rows_of(x_seq.detach(), sizes)
        kernels, numbers = recorded.kernels(store, learned, kind)
        v_seq = pool.empty((T, *shape), kind) if recording else None
        last = [pool.result(tuple(shape), kind) for _ in starts]
        before, wide = _starts(starts), _wide(given, shape)
        out = pool.result(sizes.words, torch.int64) if bits else pool.empty((T, *shape), kind)
        x_t, x_r = _strides(x, sizes)
        if x.numel():  # Numba's parallel form of a dense output crashes where there is no task
            kernels.kernel(forward_source, bits)(
                x, x_t, x_r, out, v_seq, T, sizes.R, sizes.N, _rows_a_task(BLOCK, sizes.N, x_r),
                numbers, *before, *last, *wide,
                work=T * sizes.R * sizes.N * 0.12 * kernels.plan.forward,
            )  # fmt: skip
        elif T == 0:
            for end, start in zip(last, starts, strict=True):
                end.copy_(start)
        if saving:
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x_seq, *tensors)
            ctx.recorded, ctx.recording, ctx.sizes = recorded, recording, sizes
            ctx.kernels, ctx.numbers = kernels, numbers
        y = SpikeTensor(Rows(out, sizes.features), kind) if bits else own(out)
        return (y, None if v_seq is None else own(v_seq), *map(own, last))

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, g: Tensor | None, gv_seq: Tensor | None, *ends: Tensor | None) -> Any:
        x_seq, *tensors = ctx.saved_tensors
        kernels: Kernels = ctx.kernels
        plan, sizes = kernels.plan, ctx.sizes
        T, R, N = sizes.T, sizes.R, sizes.N
        constant = len(x_seq) < T
        x, kind, shape = _rows_of(x_seq.detach(), sizes), x_seq.dtype, x_seq.shape[1:]
        starts, given, learned = ctx.recorded.split(tensors)
        before, wide = _starts(starts), _wide(given, shape)
        g = _rows_of(_zero(kind).expand(T, R, N) if g is None else g, sizes)
        gx = _empty_like(x)
        wanted = ctx.needs_input_grad[_OPTIONS + 1 :]
        first = [
            torch.empty(shape, dtype=kind, device="cpu") if needed else None
            for needed, _ in zip(wanted, ends, strict=False)
        ]
        to_fields = [torch.empty(shape, dtype=kind, device="cpu") for _ in wide]
        last = [None if end is None else end.contiguous() for end in ends]
        gv = None if gv_seq is None else gv_seq.contiguous()
        g_t, g_r = _strides(g, sizes)
        (x_t, x_r), (gx_t, gx_r) = _strides(x, sizes), _strides(gx, sizes)
        block = _block(T, len(plan.stored))
        rows = _rows_a_task(block, N, g_r, x_r, gx_r)
        numbers = plan.gradients.numbers
        sums = np.empty((len(numbers), -(-R // rows) * -(-N // block)))
        kernels.kernel(backward_source, constant)(
            g, g_t, g_r, gv, x, x_t, x_r, gx, gx_t, gx_r, sums, T, R, N, block, rows, ctx.numbers,
            *before, *last, *first, *wide, *to_fields,
            work=T * R * N * 0.08 * len(plan.program.nodes),
        )  # fmt: skip
        of_fields = [
            total.sum_to_size(field.shape).to(field.dtype)
            for total, field in zip(to_fields, given, strict=True)
        ]
        totals = dict(zip(numbers, sums.sum(1), strict=True)) if numbers else {}
        of_numbers = [
            value.new_tensor(totals[k]).view(value.shape) if k in totals else None
            for k, value in zip(ctx.recorded.learned, learned, strict=True)
        ]
        return (*(None,) * _OPTIONS, gx.view(x_seq.shape), *first, *of_fields, *of_numbers)


@cache
def _zero(dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):
        return torch.zeros((), dtype=dtype, device="cpu")


def _starts(states: Sequence[Tensor]) -> list[Tensor]:
    """Return the states as kernels take them: one number for all neurons stays one number."""
    return [state.contiguous() if any(state.stride()) else state for state in states]


def _wide(fields: Sequence[Tensor], shape: Sequence[int]) -> list[Tensor]:
    """Return the fields as kernels take them: a value for each neuron of a step."""
    return [field.expand(shape).contiguous() for field in fields]


def _rows_of(x: Tensor, sizes: _Sizes) -> Tensor:
    """Return ``x`` with neighbouring neurons side by side, contiguous or as ``[T, R, N]``."""
    if x.is_contiguous():
        return x
    x = x.reshape(len(x), sizes.R, sizes.N)
    return x if x.stride(2) == 1 or sizes.N == 1 else x.contiguous()


def _block(T: int, kept: int) -> int:
    """Return how many neurons of a task keep all ``kept`` values in the second-level cache."""
    most = CACHED // max(1, T * kept)
    return min(BLOCK, max(64, most // 64 * 64))


def _rows_a_task(block: int, N: int, *strides: int) -> int:
    """Return how many rows of N neurons a task takes: many short ones without a gap."""
    if N == 0 or block < N or any(stride != N for stride in strides):
        return 1
    return block // N


def _empty_like(x: Tensor) -> Tensor:
    """Return memory for a gradient, laid out as the input: the layer before can use it as it is."""
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
    """Return `bitspike.kernels.scan.reference.scan` of a recorded step.

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
