"""A linear layer on constant-rate spikes and the neurons behind it as one kernel."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels.fused import Current
from bitspike.kernels.fused.numba_source import (
    LANES,
    ROW,
    backward_source,
    forward_source,
    samples_a_row,
)
from bitspike.kernels.linear import numba as linear
from bitspike.kernels.linear.numba import parts_of_gradient, table_work
from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.memory import pool
from bitspike.kernels.runtime.weight_cache import keeps_prepared
from bitspike.kernels.scan.numba import store
from bitspike.kernels.scan.record import Kernels, Recorded, record, scan_recorded
from bitspike.kernels.scan.reference import Step
from bitspike.spikes import ActivePixels, Rows, SpikeTensor, own, word_count


def unsupported(current: Current, states: Sequence[Tensor | float]) -> str | None:
    """Return why these kernels cannot run, whatever the step is; None if they can."""
    pixels, weight = current.spikes.bits, current.weight
    if not isinstance(pixels, ActivePixels) or weight.shape[1] != math.prod(pixels.features):
        return "the spikes are not those of constant-rate input"
    if len(weight) == 0 or torch.is_autocast_enabled("cpu") or not all(map(_is_start, states)):
        return "the layer has no outputs, autocast is enabled, or a state requires grad"
    return linear.unsupported(current.spikes, weight)


def _is_start(state: Tensor | float) -> bool:
    if not isinstance(state, Tensor):
        return True
    return state.dtype == torch.float32 and not state.requires_grad


def _start(state: Tensor, neurons: int) -> Tensor:
    """Return a state as one number, or one for each neuron."""
    if state.numel() not in (1, neurons):
        raise ValueError(f"a state {tuple(state.shape)} does not fit {neurons} neurons")
    return state.contiguous()


def _reference(ctx: Any) -> tuple[Arguments, Callable[..., Any]]:
    weight, _, *states = ctx.saved_tensors

    def compute(*arguments: Any) -> tuple[Tensor | None, ...]:
        _, _, _, weight, *states = arguments
        current = F.linear(SpikeTensor(ctx.pixels).dense().flatten(2), weight)
        before = [state.expand(current.shape[1:]) for state in states]
        y, _, *last = scan_recorded(ctx.recorded, current, before, False)
        return (y, *last)

    return (None, None, None, weight, *states), compute


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        recorded: Recorded,
        saving: bool,
        pixels: ActivePixels,
        weight: Tensor,
        *states: Tensor,
    ) -> tuple[Any, ...]:
        T, B, (N, I) = pixels.steps, len(pixels.count), weight.shape
        kernels, numbers = recorded.kernels(store, (), torch.float32)
        starts = [_start(state, B * N) for state in states]
        last = [pool.result((B, N), torch.float32) for _ in states]
        words = pool.result((T, B, word_count(N)), torch.int64)
        counts = pool.result((B, N), torch.float32)
        if keeps_prepared():
            table, fresh = linear.blocks(weight, None)[0], 0
        else:
            table, fresh = pool.empty((-(-N // LANES), I + 1, LANES), torch.float32), 1
        given, weight, S = weight, weight.contiguous(), samples_a_row(N)
        size = (word_count(N) * -(-B // S) * -(-T // 4) * 4 * ROW,)
        tape = pool.empty(size, torch.float32) if saving else None
        kernels.kernel(forward_source)(
            *pixels.tensors, weight, table, fresh, tape, words, counts, T, S, numbers,
            *starts, *last, work=_work(pixels, N, kernels.plan.forward),
        )  # fmt: skip
        if saving:
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(given, tape, *starts)
            ctx.recorded, ctx.kernels, ctx.numbers, ctx.pixels = recorded, kernels, numbers, pixels
        return SpikeTensor(Rows(words, (N,), counts)), *map(own, last)

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, g: Tensor | None, *ends: Tensor | None) -> Any:
        weight, tape, *starts = ctx.saved_tensors
        kernels: Kernels = ctx.kernels
        pixels, (N, I) = ctx.pixels, weight.shape
        T, B = pixels.steps, len(pixels.count)
        if g is None:
            g = torch.zeros((), device="cpu").expand(T, B, N)
        if g.stride(2) != 1 and N > 1:
            g = g.contiguous()
        # Copies must live until the kernel has run.
        after = [None if end is None else end.contiguous() for end in ends]
        blocks = -(-N // LANES)
        shape = parts_of_gradient(B, N), blocks, I + 1, LANES
        partial = pool.empty(shape, torch.float32)
        out = torch.empty((N, I), dtype=torch.float32, device="cpu")
        kernels.kernel(backward_source)(
            *pixels.tensors, g, g.stride(0), g.stride(1), tape, partial, out,
            T, samples_a_row(N), ctx.numbers, *starts, *after,
            work=_work(pixels, N, len(kernels.plan.program.nodes)),
        )  # fmt: skip
        return (None, None, None, out, *(None for _ in ends))


def _work(pixels: ActivePixels, outputs: int, operations: int) -> float:
    lanes = -(-outputs // LANES) * LANES
    return table_work(pixels, lanes) + pixels.steps * len(pixels.count) * lanes * 0.1 * operations


@cache
def _number(value: float) -> Tensor:
    """Return a state of all neurons as one number; only kernels see it."""
    with torch.inference_mode(False):
        return torch.tensor([value], dtype=torch.float32, device="cpu")


def scan(
    step: Step, current: Current, states: Sequence[Tensor | float], key: Any = None
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """Return spikes ``[T, B, O]`` and the last states; None of a step that needs more."""
    starts = [state if isinstance(state, Tensor) else _number(state) for state in states]
    recorded = record(step, len(starts), current.shape[1:], current.weight, key)
    return None if isinstance(recorded, str) else scan_of_record(recorded, current, starts)


def scan_of_record(
    recorded: Recorded, current: Current, starts: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """Run `scan` from a recorded step and states that are tensors."""
    if not recorded.gives_bits or recorded.learned or recorded.fields:
        return None
    pixels, weight = current.spikes.bits, current.weight
    saving = torch.is_grad_enabled() and weight.requires_grad
    y, *last = _Fused.apply(recorded, saving, pixels, weight, *starts)
    return y, tuple(last)
