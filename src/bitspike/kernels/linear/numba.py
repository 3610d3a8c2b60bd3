"""Linear layers on spikes, forward and gradients."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels.linear import numba_row_tables, numba_rows, numba_tables
from bitspike.kernels.runtime.addresses import at, check_words
from bitspike.kernels.runtime.buffers import SLACK, has_slack, located, pool, words_of
from bitspike.kernels.runtime.deterministic import product, sum_of_parts
from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.runtime.tensors import unreadable
from bitspike.kernels.runtime.weight_cache import prepared
from bitspike.spikes import SpikeTensor
from bitspike.spikes._layouts import STEPS, ActivePixels, Rows
from bitspike.spikes._words import own, word_count

LANES = 16
FEW_ROWS, MANY_OUTPUTS = 128, 512
PARTS = 4  # of the samples, in the gradient of a narrow layer's weight

_F32, _I32, _U64 = np.float32, np.int32, np.uint64
_PIXELS = {"index": (_I32, 2), "count": (_I32, 1), "units": (_U64, 3)}

_table_forward = Kernel(
    numba_tables.forward,
    "table",
    arrays={**_PIXELS, "weight": (_F32, 3), "bias": (_F32, 1), "out": (_F32, 3)},
)
_table_weight = Kernel(
    numba_tables.backward_weight,
    "table",
    arrays={**_PIXELS, "grad": (_F32, 1), "partial": (_F32, 4)},
)
_turn_weight = Kernel(numba_tables.turn_weight, arrays={"weight": (_F32, 2), "table": (_F32, 3)})
_add_parts = Kernel(numba_tables.add_parts, arrays={"partial": (_F32, 4), "out": (_F32, 2)})
_row_tables_forward = Kernel(
    numba_row_tables.forward,
    "rows",
    arrays={"words": (_U64, 2), "weight": (_F32, 3), "bias": (_F32, 1), "out": (_F32, 2)},
)
_row_tables_weight = Kernel(
    numba_row_tables.backward_weight,
    "rows_by_tables",
    arrays={"words": (_U64, 2), "grad": (_F32, 1), "partial": (_F32, 4), "out": (_F32, 2)},
)
_rows_forward = Kernel(numba_rows.forward, "rows")
_rows_weight = Kernel(numba_rows.backward_weight, "rows")
_count = Kernel(numba_rows.count_spikes)


def forward_way(density: float, outputs: int, rows: int) -> str:
    """How to add up the weights at the spikes: ``events``, ``tables`` or one matrix ``product``.

    The bounds are those of ``python -m benchmarks events`` on two cores, for few rows those of an
    earlier run of it without tables. Tables cost the same for any density, and are not worth being
    made for a few rows.
    """
    if rows < FEW_ROWS:
        return "events" if density < (0.40 if outputs < MANY_OUTPUTS else 0.25) else "product"
    few = 0.04 if outputs <= LANES else 0.08 if outputs <= 2 * LANES else 0.14
    return "events" if density < few else "tables"


def weight_way(density: float, outputs: int, rows: int) -> str:
    """The same for the gradient of the weight."""
    if rows < FEW_ROWS:
        return "events" if density < (0.40 if outputs < MANY_OUTPUTS else 0.30) else "product"
    few = 0.08 if outputs <= LANES else 0.12 if outputs <= 2 * LANES else 0.18
    return "events" if density < few else "tables"


def unsupported(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> str | None:
    """Why this backend cannot run the layer; None if it can."""
    if not isinstance(x, SpikeTensor) or isinstance(weight, SpikeTensor):
        return "only the input of a linear layer may be spikes"
    why = unreadable(x, weight, bias)
    if why is not None:
        return why
    if x.device.type != "cpu" or weight.device.type != "cpu":
        return f"the input is on {x.device}, the weight on {weight.device}"
    if x.dtype != torch.float32 or weight.dtype != torch.float32:
        return f"the input is {x.dtype}, the weight {weight.dtype}"
    return None


def parts_of_gradient(samples: int, outputs: int) -> int:
    """How many parts of the samples a weight's gradient is the sum of, for each 64 outputs."""
    return max(1, min(samples, PARTS // word_count(outputs)))


def _padded(outputs: int) -> int:
    return -(-outputs // LANES) * LANES


def _padded_bias(bias: Tensor | None, outputs: int) -> Tensor:
    """Bias as ``[O']``, filled up with zeros; all zeros without one."""
    start = torch.zeros(_padded(outputs), dtype=torch.float32, device="cpu")
    if bias is not None:
        start[:outputs] = bias.detach()
    return start


def blocks(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight ``[O, I]`` as ``[O' / 16, I + 1, 16]`` and bias as ``[O']``, filled up with zeros."""

    def make() -> tuple[Tensor, Tensor]:
        O, I = weight.shape
        size = (_padded(O) // LANES, I + 1, LANES)
        table, rows = pool.empty(size, torch.float32), weight.detach().contiguous()
        f32 = torch.float32
        _turn_weight(*at(rows, f32, O, I), *at(table, f32, *size), work=_padded(O) * I)
        return table, _padded_bias(bias, O)

    return prepared((weight, bias), make, "blocks")


def _padded_rows(weight: Tensor, bias: Tensor | None) -> tuple[Any, Any]:
    """Weight ``[O, I]`` as ``[I, O']`` and bias as ``[O']``, filled up with zeros."""

    def make() -> tuple[Any, Any]:
        O, I = weight.shape
        table = np.zeros((I, _padded(O)), np.float32)
        table[:, :O] = weight.detach().numpy().T
        return table, _padded_bias(bias, O).numpy()

    return prepared((weight, bias), make, "rows")


def _reference(ctx: Any) -> tuple[Arguments, Callable[..., Tensor]]:
    return ctx.saved_tensors, lambda x, *others: F.linear(x.dense(), *others)


class _TableLinear(torch.autograd.Function):
    """Constant-rate input: every 4 steps by 4 pixels are four look-ups."""

    @staticmethod
    def forward(ctx: Any, x: SpikeTensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        pixels: ActivePixels = x._layout  # type: ignore[assignment]
        (T, B), O = x.shape[:2], len(weight)
        table, start = blocks(weight, bias)
        padded, f32 = _padded(O), torch.float32
        out = pool.empty((T, B, O), f32)
        _table_forward(
            *arrays_of(pixels), *at(table, f32, padded // LANES, _inputs(pixels) + 1, LANES),
            *at(start, f32, padded), *at(out, f32, T, B, O),
            work=table_work(pixels, padded),
        )  # fmt: skip
        ctx.save_for_backward(x, weight, bias)
        return own(out)

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor | None]:
        x, _, bias = ctx.saved_tensors
        return None, _table_gradient(x._layout, grad), None if bias is None else grad.sum((0, 1))


def _inputs(pixels: ActivePixels) -> int:
    return math.prod(pixels.features)


def arrays_of(pixels: ActivePixels) -> tuple[int, ...]:
    """Index, count and units as kernels take them."""
    B, I = len(pixels.count), _inputs(pixels)
    size = B, -(-I // STEPS), 4 * -(-pixels.steps // 64)
    return (
        *at(pixels.index, torch.int32, B, I + STEPS - 1), *at(pixels.count, torch.int32, B),
        *at(pixels.units, torch.int64, *size),
    )  # fmt: skip


def _table_gradient(pixels: ActivePixels, grad: Tensor) -> Tensor:
    """Gradient ``[O, I]`` of the weight, for that of the output, ``[T, B, O]``."""
    (T, B, O), I = grad.shape, _inputs(pixels)
    padded, f32 = _padded(O), torch.float32
    if grad.stride(2) != 1 or not has_slack(grad):
        grad = pool.empty(grad.shape, grad.dtype).copy_(grad)
    blocks, parts = padded // LANES, parts_of_gradient(B, O)
    shape = parts, blocks, I + 1, LANES
    partial = pool.empty(shape, f32)
    gradient = torch.empty((O, I), dtype=f32, device="cpu")
    address, length = located(grad)
    _table_weight(
        *arrays_of(pixels), address, length + SLACK, grad.stride(0), grad.stride(1),
        *at(partial, f32, *shape), T,
        work=table_work(pixels, padded),
    )  # fmt: skip
    _add_parts(*at(partial, f32, *shape), *at(gradient, f32, O, I), work=parts * padded * I)
    return gradient


def table_work(pixels: ActivePixels, outputs: int) -> float:
    """Nanoseconds: half a one for a look-up of 16 outputs; a fifth of the pixels are active."""
    look_ups = len(pixels.count) * pixels.steps * _inputs(pixels) / 20
    return 0.5 * look_ups * outputs / LANES


class _RowsLinear(torch.autograd.Function):
    """Spikes of neurons: weight rows added spike by spike, by tables, or as one product."""

    @staticmethod
    def forward(ctx: Any, x: SpikeTensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = x._layout.rows()
        O, I = weight.shape
        words = _matrix(rows)
        density = density_of(rows)
        ctx.save_for_backward(x, weight, bias)
        ctx.density = density
        way, R, padded = forward_way(density, O, len(words)), len(words), _padded(O)
        if way == "product":
            dense = rows.dense(torch.float32).view(-1, I)
            y = product(dense, weight.t(), pool.empty((R, O), torch.float32))
            return own((y if bias is None else y.add_(bias)).view(*x.shape[:-1], O))
        out = pool.empty((R, padded), torch.float32)
        if way == "tables":
            (table, start), W, f32 = blocks(weight, bias), words.shape[1], torch.float32
            _row_tables_forward(
                *at(words, torch.int64, R, W), *at(table, f32, padded // LANES, I + 1, LANES),
                *at(start, f32, padded), *at(out, f32, R, padded),
                work=(0.1 * R + 3) * W * 64 * padded / LANES,
            )  # fmt: skip
        else:
            by_input, start = _padded_rows(weight, bias)
            work = 0.1 * density * x.numel() * padded
            _rows_forward(
                words_of(words).reshape(words.shape), by_input, start, out.numpy(), work=work
            )
        return own(out.view(*x.shape[:-1], padded)[..., :O])

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight, bias = ctx.saved_tensors
        rows = x._layout.rows()
        g = grad.reshape(-1, len(weight))
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = pool.empty((len(g), rows.size), g.dtype)
            dx = product(g, weight, dx).view(x.shape)
        if ctx.needs_input_grad[1]:
            dw = _rows_gradient(rows, g, ctx.density)
        return dx, dw, None if bias is None else g.sum(0)


def _rows_gradient(rows: Rows, g: Tensor, density: float) -> Tensor:
    """Gradient ``[O, I]`` of the weight, for that of the output, ``[T * B, O]``."""
    I, O = rows.size, g.shape[1]
    way, R = weight_way(density, O, len(g)), len(g)
    if way == "product":
        dense = rows.dense(torch.float32).view(-1, I)
        return sum_of_parts(lambda g, x: g.t() @ x, g, dense, products=g.numel() * I)
    words, padded = _matrix(rows), _padded(O)
    if way == "tables":
        if g.stride(1) != 1 or not has_slack(g):
            g = pool.empty((R, O), torch.float32).copy_(g)
        W, f32 = words.shape[1], torch.float32
        shape = parts_of_gradient(R, O), padded // LANES, 64 * W, LANES
        partial = pool.empty(shape, f32)
        out = torch.empty((O, I), dtype=f32, device="cpu")
        address, length = located(g)
        _row_tables_weight(
            *at(words, torch.int64, R, W), address, length + SLACK, g.stride(0),
            *at(partial, f32, *shape), *at(out, f32, O, I),
            work=0.15 * R * I * padded / LANES,
        )  # fmt: skip
        return out
    wide = g.contiguous()
    if padded != O:
        wide = pool.empty((R, padded), torch.float32)
        wide[:, :O] = g
    by_input = pool.empty((I, padded), torch.float32)
    work = 0.2 * density * R * I * padded
    _rows_weight(words_of(words).reshape(words.shape), wide.numpy(), by_input.numpy(), work=work)
    return by_input[:, :O].t()


def _matrix(rows: Rows) -> Tensor:
    """Words ``[R, W]``, contiguous."""
    words = check_words(rows.words, rows.size).contiguous()
    return words.view(-1, words.shape[-1])


def density_of(rows: Rows) -> float:
    """Share of spikes; 0 where there is nothing."""
    parts, words = torch.empty(PARTS, dtype=torch.int64, device="cpu"), words_of(rows.words)
    _count(words, parts.numpy(), work=len(words))
    return int(parts.sum()) / max(1, math.prod(rows.lead) * rows.size)


def linear(x: SpikeTensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same as ``F.linear(x.dense(), weight, bias)``: spikes ``[..., I]`` to ``[..., O]``."""
    if x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: the input {tuple(x.shape)} does not fit the weight {tuple(weight.shape)}"
        )
    layout = x._layout
    odd = bias is not None and (bias.dtype is not torch.float32 or not bias.is_cpu)
    if x.numel() == 0 or len(weight) == 0 or odd:
        return torch.nn.functional.linear(x.dense(), weight, bias)
    if isinstance(layout, ActivePixels) and len(layout.features) == 1 and not x.requires_grad:
        y: Tensor = _TableLinear.apply(x, weight, bias)
        return y
    if x.ndim < 2 or len(layout.rows().features) != 1:  # the words hold other axes than the last
        if x.requires_grad or x.ndim < 2:
            return F.linear(x.dense(), weight, bias)
        x = SpikeTensor(Rows.pack(x.dense(), x.ndim - 1), x.dtype)
    z: Tensor = _RowsLinear.apply(x, weight, bias)
    return z


def weight_gradient(x: SpikeTensor, grad: Tensor) -> Tensor:
    """The gradient ``[O, I]`` of the weight of `linear`, for that of its output, ``[..., O]``."""
    layout, outputs = x._layout, grad.shape[-1]
    if math.prod(grad.shape[:-1]) != math.prod(x.shape[:-1]):
        raise ValueError(
            f"weight_gradient: the spikes {tuple(x.shape)} and the gradient {tuple(grad.shape)} do "
            "not fit each other"
        )
    if x.numel() == 0 or grad.numel() == 0:
        return grad.new_zeros((outputs, x.shape[-1]))
    if isinstance(layout, ActivePixels) and len(layout.features) == 1:
        return _table_gradient(layout, grad.reshape(*x.shape[:-1], outputs))
    rows = layout.rows()
    if len(rows.features) != 1:  # the words hold other axes than the last
        rows = Rows.pack(x.dense(), x.ndim - 1)
    return _rows_gradient(rows, grad.reshape(-1, outputs), density_of(rows))
