"""Linear layers on spikes, forward and gradients."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels.linear import numba_rows, numba_tables
from bitspike.kernels.linear.numba_tables import LANES
from bitspike.kernels.runtime.deterministic import product, sum_of_parts
from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.memory import not_on_cpu, pool, with_slack
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.runtime.weight_cache import prepared
from bitspike.spikes import ActivePixels, Rows, SpikeTensor, own, word_count

FEW_ROWS, MANY_OUTPUTS = 128, 512
PARTS = 4  # of the samples, in the gradient of a narrow layer's weight

PIXELS = "index i32[B, L], count i32[B], units u64[B, G, H]"
_table_forward = Kernel(
    numba_tables.forward,
    f"{PIXELS}, weight f32[K, R, lanes], bias f32[Q], out f32[T, B, O]",
    "table",
)
_table_weight = Kernel(
    numba_tables.backward_weight, f"{PIXELS}, grad f32[+], partial f32[P, K, R, lanes]", "table"
)
_turn_weight = Kernel(numba_tables.turn_weight, "weight f32[O, I], table f32[K, R, lanes]")
_add_parts = Kernel(numba_tables.add_parts, "partial f32[P, K, R, lanes], out f32[O, I]")
_tables_forward = Kernel(
    numba_rows.forward_by_tables,
    "words u64[R, W], weight f32[K, I, lanes], bias f32[O], out f32[R, O]",
)
_tables_weight = Kernel(
    numba_rows.weight_by_tables,
    "words u64[R, W], grad f32[+], partial f32[P, K, F, lanes], out f32[O, I]",
)
_events_forward = Kernel(
    numba_rows.forward_by_events, "words u64[R, W], weight f32[I, O], bias f32[O], out f32[R, O]"
)
_events_weight = Kernel(
    numba_rows.weight_by_events, "words u64[R, W], grad f32[R, O], out f32[I, O]"
)
_count = Kernel(numba_rows.count_spikes, "words u64[], partial i64[P]")


def forward_way(density: float, outputs: int, rows: int) -> str:
    """Return how to add up the weights at the spikes: ``events``, ``tables`` or ``product``.

    The bounds are those of ``python -m benchmarks events`` on two cores, for few rows those of an
    earlier run of it without tables. Tables cost the same for any density, and do not pay for a
    few rows; a product is one multiplication of matrices.
    """
    if rows < FEW_ROWS:
        return "events" if density < (0.40 if outputs < MANY_OUTPUTS else 0.25) else "product"
    few = 0.04 if outputs <= LANES else 0.08 if outputs <= 2 * LANES else 0.14
    return "events" if density < few else "tables"


def weight_way(density: float, outputs: int, rows: int) -> str:
    """Return the same for the gradient of the weight."""
    if rows < FEW_ROWS:
        return "events" if density < (0.40 if outputs < MANY_OUTPUTS else 0.30) else "product"
    few = 0.08 if outputs <= LANES else 0.12 if outputs <= 2 * LANES else 0.18
    return "events" if density < few else "tables"


def unsupported(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> str | None:
    """Return why this backend cannot run the layer; None if it can."""
    if not isinstance(x, SpikeTensor) or isinstance(weight, SpikeTensor):
        return "only the input of a linear layer may be spikes"
    return not_on_cpu(x, weight, bias, dtypes=(torch.float32,))


def parts_of_gradient(samples: int, outputs: int) -> int:
    """Return how many parts of the samples a weight's gradient is the sum of, for 64 outputs."""
    return max(1, min(samples, PARTS // word_count(outputs)))


def padded(outputs: int) -> int:
    """Return the number of outputs, filled up to whole blocks of `LANES`."""
    return -(-outputs // LANES) * LANES


def _padded_bias(bias: Tensor | None, outputs: int) -> Tensor:
    start = torch.zeros(padded(outputs), dtype=torch.float32, device="cpu")
    if bias is not None:
        start[:outputs] = bias.detach()
    return start


def blocks(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return weight ``[O, I]`` as ``[O' / 16, I + 1, 16]`` and bias as ``[O']``, zeros beyond."""

    def make() -> tuple[Tensor, Tensor]:
        O, I = weight.shape
        table = pool.empty((padded(O) // LANES, I + 1, LANES))
        _turn_weight(weight.detach().contiguous(), table, work=padded(O) * I)
        return table, _padded_bias(bias, O)

    return prepared((weight, bias), make, "blocks")


def _padded_rows(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return weight ``[O, I]`` as ``[I, O']`` and bias as ``[O']``, filled up with zeros."""

    def make() -> tuple[Tensor, Tensor]:
        O, I = weight.shape
        table = torch.zeros((I, padded(O)), dtype=torch.float32, device="cpu")
        table[:, :O] = weight.detach().t()
        return table, _padded_bias(bias, O)

    return prepared((weight, bias), make, "rows")


def _reference(ctx: Any) -> tuple[Arguments, Callable[..., Tensor]]:
    return ctx.saved_tensors, lambda x, *others: F.linear(x.dense(), *others)


# -- constant-rate input ------------------------------------------------------------------------


class _TableLinear(torch.autograd.Function):
    """Constant-rate input: every 4 steps by 4 pixels are four look-ups."""

    @staticmethod
    def forward(ctx: Any, x: SpikeTensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        pixels: ActivePixels = x.bits  # type: ignore[assignment]
        out = pool.empty((*x.shape[:2], len(weight)))
        work = table_work(pixels, padded(len(weight)))
        _table_forward(*pixels.tensors, *blocks(weight, bias), out, work=work)
        ctx.save_for_backward(x, weight, bias)
        return own(out)

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor | None]:
        x, _, bias = ctx.saved_tensors
        gradient = _table_gradient(x.bits, grad)
        return None, gradient, None if bias is None else grad.sum((0, 1))


def _table_gradient(pixels: ActivePixels, grad: Tensor) -> Tensor:
    """Return the gradient ``[O, I]`` of the weight, for that of the output, ``[T, B, O]``."""
    (T, B, O), I = grad.shape, math.prod(pixels.features)
    grad = with_slack(grad)
    partial = pool.empty((parts_of_gradient(B, O), padded(O) // LANES, I + 1, LANES))
    gradient = torch.empty((O, I), dtype=torch.float32, device="cpu")
    _table_weight(
        *pixels.tensors, grad, grad.stride(0), grad.stride(1), partial, T,
        work=table_work(pixels, padded(O)),
    )  # fmt: skip
    _add_parts(partial, gradient, work=partial.numel())
    return gradient


def table_work(pixels: ActivePixels, outputs: int) -> float:
    """Return nanoseconds: half a one for a look-up of 16 outputs, a fifth of the pixels active."""
    look_ups = len(pixels.count) * pixels.steps * math.prod(pixels.features) / 20
    return 0.5 * look_ups * outputs / LANES


# -- rows of spikes -----------------------------------------------------------------------------


class _RowsLinear(torch.autograd.Function):
    """Spikes of neurons: weight rows added spike by spike, by tables, or as one product."""

    @staticmethod
    def forward(ctx: Any, x: SpikeTensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = x.bits.rows()
        (O, I), words, density = weight.shape, rows.matrix(), density_of(rows)
        R, W = words.shape
        ctx.save_for_backward(x, weight, bias)
        ctx.density = density
        way = forward_way(density, O, R)
        if way == "product":
            y = product(rows.dense(torch.float32).view(-1, I), weight.t(), pool.empty((R, O)))
            return own((y if bias is None else y.add_(bias)).view(*x.shape[:-1], O))
        out = pool.empty((R, padded(O)))
        if way == "tables":
            work = (0.1 * R + 3) * W * 64 * padded(O) / LANES
            _tables_forward(words, *blocks(weight, bias), out, work=work)
        else:
            work = 0.1 * density * x.numel() * padded(O)
            _events_forward(words, *_padded_rows(weight, bias), out, work=work)
        return own(out.view(*x.shape[:-1], padded(O))[..., :O])

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight, bias = ctx.saved_tensors
        rows = x.bits.rows()
        g = grad.reshape(-1, len(weight))
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = product(g, weight, pool.empty((len(g), rows.size), g.dtype)).view(x.shape)
        if ctx.needs_input_grad[1]:
            dw = rows_gradient(rows, g, ctx.density)
        return dx, dw, None if bias is None else g.sum(0)


def rows_gradient(rows: Rows, g: Tensor, density: float) -> Tensor:
    """Return the gradient ``[O, I]`` of the weight, for that of the output, ``[T * B, O]``."""
    (R, O), I = g.shape, rows.size
    way = weight_way(density, O, R)
    if way == "product":
        dense = rows.dense(torch.float32).view(-1, I)
        return sum_of_parts(lambda g, x: g.t() @ x, g, dense, products=g.numel() * I)
    words = rows.matrix()
    if way == "tables":
        g = with_slack(g)
        partial = pool.empty(
            (parts_of_gradient(R, O), padded(O) // LANES, 64 * words.shape[1], LANES)
        )
        out = torch.empty((O, I), dtype=torch.float32, device="cpu")
        _tables_weight(words, g, g.stride(0), partial, out, work=0.15 * R * I * padded(O) / LANES)
        return out
    wide = g.contiguous()
    if padded(O) != O:
        wide = pool.empty((R, padded(O)))
        wide[:, :O] = g
    by_input = pool.empty((I, padded(O)))
    _events_weight(words, wide, by_input, work=0.2 * density * R * I * padded(O))
    return by_input[:, :O].t()


def density_of(rows: Rows) -> float:
    """Return the share of spikes; 0 where there is nothing."""
    parts, words = torch.empty(PARTS, dtype=torch.int64, device="cpu"), rows.words.contiguous()
    _count(words, parts, work=words.numel())
    return int(parts.sum()) / max(1, math.prod(rows.lead) * rows.size)


# -- public functions ---------------------------------------------------------------------------


def linear(x: SpikeTensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``F.linear(x.dense(), weight, bias)`` of spikes ``[..., I]``, as ``[..., O]``."""
    if x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: the input {tuple(x.shape)} does not fit the weight {tuple(weight.shape)}"
        )
    layout = x.bits
    if x.numel() == 0 or len(weight) == 0 or x.ndim < 2:
        return F.linear(x.dense(), weight, bias)
    if isinstance(layout, ActivePixels) and len(layout.features) == 1 and not x.requires_grad:
        y: Tensor = _TableLinear.apply(x, weight, bias)
        return y
    if len(layout.rows().features) != 1:  # the words hold other axes than the last
        if x.requires_grad:
            return F.linear(x.dense(), weight, bias)
        x = SpikeTensor(Rows.pack(x.dense(), x.ndim - 1), x.dtype)
    z: Tensor = _RowsLinear.apply(x, weight, bias)
    return z


def weight_gradient(x: SpikeTensor, grad: Tensor) -> Tensor:
    """Return the gradient ``[O, I]`` of the weight of `linear`, for that of its output."""
    layout, outputs = x.bits, grad.shape[-1]
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
    return rows_gradient(rows, grad.reshape(-1, outputs), density_of(rows))
