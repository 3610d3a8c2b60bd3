"""Convolutions of spikes: by events where these are few, else unpacked once and through torch."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike.kernels.conv import numba_kernels
from bitspike.kernels.conv.dense import skips_pixels, weight_gradient
from bitspike.kernels.linear.numba import LANES, _padded, density_of
from bitspike.kernels.runtime.addresses import check_words
from bitspike.kernels.runtime.buffers import flat, pool, words_of
from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.runtime.tensors import unreadable
from bitspike.spikes import SpikeTensor
from bitspike.spikes._layouts import Rows, as_channels_last
from bitspike.spikes._words import own

Pair = tuple[int, ...]
aten = torch.ops.aten

PARTS = 8  # of the samples, in the gradient of the weight

_forward = Kernel(numba_kernels.forward, "conv")
_weight = Kernel(numba_kernels.backward_weight, "conv")


def forward_by_events(density: float) -> bool:
    """Whether adding weight rows beats the dense convolution, forward."""
    return density < 0.35


def weight_by_events(density: float) -> bool:
    """The same for the gradient of the weight."""
    return density < 0.28


def unsupported(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> str | None:
    """Why this backend cannot run the layer; None if it can."""
    if isinstance(weight, SpikeTensor):
        return "only the input of a convolution may be spikes"
    why = unreadable(x, weight, bias)
    if why is not None:
        return why
    if x.device.type != "cpu" or weight.device.type != "cpu":
        return f"the input is on {x.device}, the weight on {weight.device}"
    if x.dtype != weight.dtype or x.dtype not in (torch.float32, torch.float64):
        return f"the input is {x.dtype}, the weight {weight.dtype}"
    if x.ndim != weight.ndim:
        return f"the input {tuple(x.shape)} has no batch axis"
    return None


class _Geometry:
    """What a convolution is beside its tensors, and its sizes as the kernels take them."""

    def __init__(
        self, x: Tensor, weight: Tensor, bias: Tensor | None,
        stride: Pair, padding: Pair, dilation: Pair, groups: int,
    ) -> None:  # fmt: skip
        self.shape, self.dtype = x.shape, x.dtype
        self.kernel = tuple(weight.shape[2:])
        self._skips = skips_pixels(self.kernel, tuple(stride), tuple(padding))
        self._seen: Any = (..., *(slice(None, None, step) for step in stride))
        of_torch = (1,) * len(stride) if self._skips else stride
        self.arguments = (of_torch, padding, dilation, False, [0] * len(stride), groups)
        self.out = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(
                x.shape[2:], padding, dilation, self.kernel, stride, strict=True
            )
        )
        plain = groups == 1 and set(dilation) == {1} and len(stride) == 2
        fits = min(self.out) > 0 and min(padding) >= 0 and x.shape[1] == weight.shape[1]
        if bias is not None:
            fits = fits and bias.shape == weight.shape[:1] and bias.dtype == weight.dtype
        self.by_events = plain and fits and x.dtype == torch.float32
        self.sizes = (tuple(x.shape[2:]), self.kernel, stride, padding, self.out)

    def seen(self, dense: Tensor) -> Tensor:
        """The input as torch's convolution takes it with `arguments`: see `skips_pixels`."""
        return dense[self._seen] if self._skips else dense

    def gradient(self, grad: Tensor, weight: Tensor) -> Tensor:
        """The gradient of the input ``[N, C, ...]``, for that of the output."""
        form = torch.channels_last if len(self.shape) == 4 else torch.contiguous_format
        # torch looks at nothing but the shape of the input.
        whole = torch.empty(self.shape, dtype=self.dtype, device="cpu", memory_format=form)
        part: Tensor
        part, _, _ = aten.convolution_backward(
            grad, self.seen(whole), weight, None, *self.arguments, [True, False, False]
        )
        if not self._skips:
            return part
        self.seen(whole.zero_()).copy_(part)
        return whole

    def work(self, density: float, outputs: int) -> float:
        """Nanoseconds by events: less than half a one for 16 additions."""
        taps = math.prod(self.out) * math.prod(self.kernel) * self.shape[0] * self.shape[1]
        return 0.4 * density * taps * outputs / LANES


def _reference(ctx: Any) -> tuple[Arguments, Callable[..., Tensor]]:
    def compute(x: SpikeTensor, weight: Tensor, bias: Tensor | None, geometry: Any) -> Tensor:  # noqa: ARG001
        seen = ctx.geometry.seen(x.dense())
        y: Tensor = aten.convolution(seen, weight, bias, *ctx.geometry.arguments)
        return y

    return (*ctx.saved_tensors, None), compute


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: SpikeTensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry
    ) -> Tensor:
        rows = _stored(x)
        density = 1.0
        if geometry.by_events:
            density = density_of(rows)
        ctx.geometry, ctx.rows, ctx.density = geometry, rows, density
        ctx.save_for_backward(x, weight, bias)
        if geometry.by_events and forward_by_events(density):
            return own(_by_events(rows, weight, bias, geometry, density))
        dense = geometry.seen(_dense(rows, x.dtype))
        y: Tensor = aten.convolution(dense, weight, bias, *geometry.arguments)
        return y

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        _, weight, has_bias = ctx.saved_tensors
        geometry: _Geometry = ctx.geometry
        want_x, want_weight = ctx.needs_input_grad[:2]
        bias = None if has_bias is None else grad.sum([0, *range(2, grad.ndim)])
        dw = dx = None
        if want_weight and geometry.by_events and weight_by_events(ctx.density):
            dw = _weight_by_events(ctx.rows, grad, geometry, ctx.density)
        elif want_weight:
            dense = geometry.seen(_dense(ctx.rows, grad.dtype))
            dw = weight_gradient(grad, dense, weight, geometry.arguments)
        if want_x:
            dx = geometry.gradient(grad, weight)
        return dx, dw, bias, None


def _stored(x: SpikeTensor) -> Rows:
    """Rows of features ``(H, W, C)``."""
    rows = as_channels_last(x._layout, x.ndim - 1)
    if rows is None:  # words hold other axes
        packed = Rows.pack(x._layout.rows().dense(x.dtype), 1)
        rows = as_channels_last(packed, x.ndim - 1)
        assert rows is not None  # noqa: S101 -- it was packed so
    return rows


def _matrix(rows: Rows) -> Any:
    words = check_words(rows.words, rows.size).contiguous()
    return words_of(words).reshape(-1, words.shape[-1])


def _dense(rows: Rows, dtype: torch.dtype) -> Tensor:
    """``[N, C, H, W]``, channels last."""
    dense = rows.dense(dtype)
    if rows.features[-1] > 1:
        return dense.movedim(-1, 1)
    # A single channel lies the same in both formats; its stride tells torch which is meant.
    N, *plane, _ = dense.shape
    stride = dense.stride()
    return dense.as_strided((N, 1, *plane), (stride[0], 1, *stride[1:-1]))


def _by_events(
    rows: Rows, weight: Tensor, bias: Tensor | None, geometry: _Geometry, density: float
) -> Tensor:
    O, C = weight.shape[:2]
    padded = _padded(O)
    table = np.zeros((*geometry.kernel, C, padded), np.float32)
    table[..., :O] = weight.detach().permute(2, 3, 1, 0).numpy()
    start = np.zeros(padded, np.float32)
    if bias is not None:
        start[:O] = bias.detach().numpy()
    words = _matrix(rows)
    out = pool.empty((len(words), *geometry.out, padded), torch.float32)
    _forward(
        words, table.reshape(-1), start, flat(out), C, padded, *geometry.sizes,
        work=geometry.work(density, padded),
    )  # fmt: skip
    out = out if padded == O else out[..., :O].contiguous()
    return out.movedim(-1, 1)


def _weight_by_events(rows: Rows, grad: Tensor, geometry: _Geometry, density: float) -> Tensor:
    O, C = grad.shape[1], rows.features[-1]
    padded = _padded(O)
    wide = grad.movedim(1, -1)
    if padded != O:
        wide = pool.empty((*wide.shape[:-1], padded), torch.float32)
        wide[..., :O] = grad.movedim(1, -1)
    size = math.prod(geometry.kernel) * C * padded
    parts = max(2, min(PARTS, 2**20 // size))
    out = pool.empty((parts, size), torch.float32)
    _weight(
        _matrix(rows), flat(wide.contiguous()), out.numpy(), C, padded, *geometry.sizes,
        work=2 * geometry.work(density, padded),
    )  # fmt: skip
    total = out.numpy().reshape(parts, *geometry.kernel, C, padded)[..., :O].sum(0)
    return torch.from_numpy(np.ascontiguousarray(total.transpose(3, 2, 0, 1)))


def conv(
    x: SpikeTensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Tensor:
    """The same as torch's convolution of ``x.dense()``, ``[N, C, ...]`` to ``[N, O, ...]``."""
    geometry = _Geometry(x, weight, bias, stride, padding, dilation, groups)
    y: Tensor = _Conv.apply(x, weight, bias, geometry)
    return y
