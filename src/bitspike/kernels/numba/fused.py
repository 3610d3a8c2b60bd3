"""A narrow linear layer on constant-rate spikes and the neurons behind it as one kernel."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bitspike.kernels._current import Current
from bitspike.kernels._record import Recorded
from bitspike.kernels.numba._fused_source import LANES, ROW, SAMPLES
from bitspike.kernels.numba._memory import all_located, located, pool
from bitspike.kernels.numba._scan_kernels import Kernels, store
from bitspike.kernels.numba.linear import PARTS, arrays_of, supports, table_work
from bitspike.spikes import SpikeTensor
from bitspike.spikes._layout import Rows
from bitspike.spikes._pixels import ActivePixels


def fits(current: Current, recorded: Recorded, states: Sequence[Tensor]) -> bool:
    """Whether the kernel can do it: the layer is narrow, and no gradient but the weight's."""
    pixels, weight = current.spikes._layout, current.weight
    return (
        isinstance(pixels, ActivePixels)
        and 1 <= len(weight) <= LANES
        and weight.shape[1] == math.prod(pixels.features)
        and supports(current.spikes, weight) is None
        and recorded.gives_bits
        and not recorded.learned
        and not recorded.fields
        and not any(state.requires_grad for state in states)
    )


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, recorded: Recorded, pixels: ActivePixels, weight: Tensor, *states: Tensor
    ) -> tuple[Any, ...]:
        saving = ctx.needs_input_grad[2]
        T, B, N = pixels.steps, len(pixels.count), len(weight)
        kernels, numbers = recorded.kernels(store, (), np.float32)
        starts = [state.contiguous() if any(state.stride()) else state for state in states]
        last = [torch.empty((B, N), dtype=torch.float32) for _ in states]
        words = torch.empty((T, B, 1), dtype=torch.int64)
        rows = weight.contiguous()
        size = (-(-B // SAMPLES) * -(-T // 4) * 4 * ROW,)
        tape = pool.empty(size, torch.float32) if saving else None
        kernels.fused_forward()(
            *arrays_of(pixels), rows.data_ptr(), *rows.shape, *located(tape), *located(words), T,
            numbers, *all_located(starts, last),
            work=table_work(pixels, LANES) + T * B * LANES * 0.1 * kernels.plan.forward,
        )  # fmt: skip
        if saving:
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(tape, *starts)
            ctx.kernels, ctx.numbers, ctx.pixels, ctx.size = kernels, numbers, pixels, weight.shape
        return SpikeTensor(Rows(words, (N,))), *last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor | None, *ends: Tensor | None) -> Any:
        tape, *starts = ctx.saved_tensors
        kernels: Kernels = ctx.kernels
        pixels, (N, I) = ctx.pixels, ctx.size
        T, B = pixels.steps, len(pixels.count)
        if g is None:
            g = torch.zeros(()).expand(T, B, N)
        if g.stride(2) != 1 and N > 1:
            g = g.contiguous()
        parts = max(1, min(B, PARTS))
        partial = pool.empty((parts, (I + 1) * LANES), torch.float32)
        out = torch.empty((N, I), dtype=torch.float32)
        kernels.fused_backward()(
            *arrays_of(pixels), *located(g), g.stride(0), g.stride(1), *located(tape),
            partial.data_ptr(), *partial.shape, out.data_ptr(), N, I, T, ctx.numbers,
            *all_located(starts, [None if end is None else end.contiguous() for end in ends]),
            work=table_work(pixels, LANES) + T * B * LANES * 0.08 * len(kernels.plan.program.nodes),
        )  # fmt: skip
        return (None, None, out, *(None for _ in ends))


def scan(
    recorded: Recorded, current: Current, states: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Spikes ``[T, B, O]`` and the states after the last step, of what `fits`."""
    y, *last = _Fused.apply(recorded, current.spikes._layout, current.weight, *states)
    return y, tuple(last)
