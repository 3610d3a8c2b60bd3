"""The neuron's time loop as one fused scan forward and one backward."""

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike.dynamics import Charge, Reset
from bitspike.kernels._neuron import Neuron
from bitspike.kernels.numba import _neuron_kernels as templates
from bitspike.kernels.numba._compile import Kernel, specialise
from bitspike.kernels.numba._memory import flat, pool, words_of
from bitspike.spikes import SpikeTensor
from bitspike.spikes._bits import word_count
from bitspike.spikes._layout import Rows
from bitspike.surrogate import SurrogateFunctionBase

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


def supports(x: Tensor, neuron: Neuron) -> str | None:
    """Why this backend cannot run ``neuron`` on ``x``; None if it can."""
    if x.device.type != "cpu":
        return f"the input is on {x.device}"
    if x.dtype not in _NUMPY:
        return f"the input is {x.dtype}"
    if not isinstance(neuron.surrogate, SurrogateFunctionBase):
        return "the surrogate function is no bitspike.surrogate.SurrogateFunctionBase"
    if not neuron.surrogate.spiking:
        return "the surrogate function has spiking=False"
    return None


@cache
def _forward_kernel(charge: Charge, reset: Reset, dtype: Any) -> Kernel:
    return specialise(
        templates.forward,
        f"{charge.name}_{reset.name}",
        dtype,
        {"charge_h": charge.h, "reset_v": reset.v},
        pack=templates.pack_float32 if dtype is np.float32 else templates.pack_float64,
    )


@cache
def _backward_kernel(
    charge: Charge,
    reset: Reset,
    surrogate: Any,
    dtype: Any,
    want_p: bool,
    detach: bool,
) -> Kernel:
    return specialise(
        templates.backward,
        f"{charge.name}_{reset.name}_{surrogate.__name__}",
        dtype,
        {
            "charge_dv": charge.dh_dv,
            "charge_dx": charge.dh_dx,
            "charge_dp": charge.dh_dp,
            "reset_v": reset.v,
            "reset_dh": reset.dv_dh,
            "reset_ds": reset.dv_ds,
            "surrogate_derivative": surrogate.derivative,
        },
        WANT_P=want_p,
        DETACH=detach,
    )


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_seq: Tensor, v: Tensor, p: Tensor, neuron: Neuron, store_v_seq: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        T, *shape = x_seq.shape
        R, N = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))
        x = _rows_of(x_seq, T, R, N)
        dtype = _NUMPY[x.dtype]
        wants_gradient = any(ctx.needs_input_grad)
        h_seq = pool.empty((T, R, N) if wants_gradient else (0,), x.dtype)
        v_seq = torch.empty((T, *shape) if store_v_seq else (0,), dtype=x.dtype)
        v_last = torch.empty(shape, dtype=x.dtype)
        words = torch.empty((T, R, word_count(N)), dtype=torch.int64)
        numbers = (dtype(p), dtype(neuron.v_rest), dtype(neuron.v_threshold), dtype(neuron.q))
        kernel = _forward_kernel(neuron.charge, neuron.reset, dtype)
        kernel(
            flat(x), x.stride(0), x.stride(1), flat(v.contiguous()), flat(h_seq), flat(v_seq),
            flat(v_last), words_of(words), T, R, N, _rows_a_task(N, x), *numbers,
            work=x_seq.numel(),
        )  # fmt: skip
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(h_seq, v, x if ctx.needs_input_grad[2] else None)
        ctx.neuron, ctx.numbers = neuron, numbers
        ctx.x_shape, ctx.x_strides = x_seq.shape, x.stride()
        lead = (T, R) if len(shape) > 1 else (T,)
        features = tuple(shape[1:]) if len(shape) > 1 else tuple(shape)
        spikes = SpikeTensor(Rows(words.view(*lead, -1), features), x.dtype)
        return spikes, v_last, v_seq if store_v_seq else None

    @staticmethod
    def backward(
        ctx: Any, g: Tensor | None, gv_last: Tensor | None, gv_seq: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        h_seq, v, x = ctx.saved_tensors
        neuron: Neuron = ctx.neuron
        T, R, N = h_seq.shape
        dtype = _NUMPY[h_seq.dtype]
        nothing = torch.zeros((), dtype=h_seq.dtype)
        g = _rows_of(nothing.expand(T, R, N) if g is None else g, T, R, N)
        gv_last = nothing.expand(R, N) if gv_last is None else gv_last
        want_p = ctx.needs_input_grad[2]
        gx = _empty_like(ctx.x_strides, (T, R, N), h_seq.dtype)
        gv0 = torch.empty(v.shape, dtype=h_seq.dtype)
        rows = _rows_a_task(N, g, gx, *([] if x is None else [x]))
        tasks = -(-R // rows) * -(-N // templates.BLOCK)
        gp = torch.empty(tasks if want_p else 0, dtype=torch.float64)
        x = nothing.expand(T, R, N) if x is None else x
        surrogate = neuron.surrogate
        assert isinstance(surrogate, SurrogateFunctionBase)  # noqa: S101 -- see supports()
        kernel = _backward_kernel(
            neuron.charge, neuron.reset, type(surrogate), dtype, want_p,  # type: ignore[arg-type]
            neuron.detach_reset,
        )  # fmt: skip
        kernel(
            flat(g), g.stride(0), g.stride(1),
            flat(pool.empty((0,), h_seq.dtype) if gv_seq is None else gv_seq.contiguous()),
            flat(gv_last.contiguous()), flat(h_seq), flat(v.contiguous()),
            flat(x), x.stride(0), x.stride(1), flat(gx), gx.stride(0), gx.stride(1),
            flat(gv0), flat(gp), T, R, N, rows, *ctx.numbers,
            tuple(dtype(value) for value in surrogate.parameters_of_shape()),
            work=2 * h_seq.numel(),
        )  # fmt: skip
        gp_sum = gp.sum().to(h_seq.dtype) if want_p else None
        return gx.reshape(ctx.x_shape), gv0, gp_sum, None, None


def _rows_of(x: Tensor, T: int, R: int, N: int) -> Tensor:
    """``x`` as ``[T, R, N]`` with neighbouring neurons side by side; a copy only if need be."""
    x = x.reshape(T, R, N)
    return x if x.stride(2) == 1 or N == 1 else x.contiguous()


def _rows_a_task(N: int, *tensors: Tensor) -> int:
    """How many rows of N neurons a task takes: many short ones, if they lie without a gap."""
    if N > templates.BLOCK or any(x.stride(1) != N for x in tensors):
        return 1
    return templates.BLOCK // N


def _empty_like(x_strides: tuple[int, ...], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A gradient laid out as the input was, so that what made the input can use it as it lies."""
    extent = max(n * stride for n, stride in zip(shape, x_strides, strict=True))
    elements = shape[0] * shape[1] * shape[2]
    if not elements <= extent <= 2 * elements + 1024:  # an expanded view, or a sparse one
        return pool.empty(shape, dtype)
    return pool.empty((extent,), dtype).as_strided(shape, x_strides)


def scan(
    x_seq: Tensor, v: Tensor, neuron: Neuron, store_v_seq: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The same as `bitspike.kernels.eager.scan`; the spikes are a `SpikeTensor`."""
    p = neuron.p
    if not isinstance(p, Tensor):
        p = torch.tensor(p, dtype=x_seq.dtype)
    result: tuple[Tensor, Tensor, Tensor | None] = _Scan.apply(x_seq, v, p, neuron, store_v_seq)
    return result
