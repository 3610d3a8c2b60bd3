"""Convolutions of spikes: by events where these are few, else unpacked once and through torch.

By events, one row of weights is added for each spike in a window, channels last. A window covers,
in each of its rows, neighbouring pixels, and their spikes follow each other: bit ``x C + c`` of an
image's row is pixel x, channel c. The weight is ``[KH, KW, C, O]``, so that the same distance leads
from spike to spike and from weight row to weight row. Sums stay in registers, 64 outputs at a time.
O is a multiple of 16.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from bitspike.kernels.bits.numba import features_of
from bitspike.kernels.conv.dense import skips_pixels, weight_gradient
from bitspike.kernels.linear.numba import density_of, padded
from bitspike.kernels.runtime.double_backward import Arguments, differentiable_again
from bitspike.kernels.runtime.memory import not_on_cpu, pool, unreadable
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.runtime.numba_simd import add_float, load16, store16, trailing_zeros
from bitspike.spikes import Rows, SpikeTensor, as_channels_last, own

Pair = tuple[int, ...]
aten = torch.ops.aten

LANES = 16
PARTS = 8  # of the samples, in the gradient of the weight


@njit(inline="always")
def list_spikes(words: Any, pixels: Any, C: Any, O: Any, spikes: Any, start: Any) -> None:
    """List an image's spikes in order, each as its bit times O, and where each pixel's begin."""
    n = 0
    pixel = 0
    limit = C
    start[0] = 0
    for w in range(len(words)):
        word = words[w] & features_of(w, pixels * C)
        while word != 0:
            bit = 64 * w + trailing_zeros(word)
            word &= word - np.uint64(1)
            while bit >= limit:
                pixel += 1
                start[pixel] = n
                limit += C
            spikes[n] = bit * O
            n += 1
    for p in range(pixel + 1, pixels + 1):
        start[p] = n


@njit(inline="always")
def inside(x: Any, W: Any) -> Any:
    """Return the pixel x of a row, or its nearest end: a window may lie wholly in the padding."""
    return max(0, min(W, x))


def forward_kernel(
    words: Any, weight: Any, bias: Any, out: Any, C: Any, O: Any, size: Any, kernel: Any,
    stride: Any, padding: Any, out_size: Any,
) -> None:  # fmt: skip
    """``out[n, oy, ox] = bias + sum of the weight rows of the spikes in the window``.

    Words ``[N, words]``, weight, bias and ``out [N, OH, OW, O]`` flat; the others are pairs.
    """
    H, W = size
    KH, KW = kernel
    SH, SW = stride
    PH, PW = padding
    OH, OW = out_size
    for n in prange(len(words)):
        spikes = np.empty(64 * words.shape[1], np.int64)
        start = np.empty(H * W + 1, np.int64)
        list_spikes(words[n], H * W, C, O, spikes, start)
        for oy in range(OH):
            top = oy * SH - PH
            for ox in range(OW):
                left = ox * SW - PW
                first, last = inside(left, W), inside(left + KW, W)
                to = ((n * OH + oy) * OW + ox) * O
                for o in range(0, O // 64 * 64, 64):
                    a, b = load16(bias, o), load16(bias, o + 16)
                    c, d = load16(bias, o + 32), load16(bias, o + 48)
                    for y in range(max(0, top), min(H, top + KH)):
                        shift = ((y - top) * KW - y * W - left) * C * O + o
                        for k in range(start[y * W + first], start[y * W + last]):
                            at = spikes[k] + shift
                            a = add_float(a, load16(weight, at))
                            b = add_float(b, load16(weight, at + 16))
                            c = add_float(c, load16(weight, at + 32))
                            d = add_float(d, load16(weight, at + 48))
                    store16(out, to + o, a)
                    store16(out, to + o + 16, b)
                    store16(out, to + o + 32, c)
                    store16(out, to + o + 48, d)
                for o in range(O // 64 * 64, O // 32 * 32, 32):
                    a, b = load16(bias, o), load16(bias, o + 16)
                    for y in range(max(0, top), min(H, top + KH)):
                        shift = ((y - top) * KW - y * W - left) * C * O + o
                        for k in range(start[y * W + first], start[y * W + last]):
                            at = spikes[k] + shift
                            a = add_float(a, load16(weight, at))
                            b = add_float(b, load16(weight, at + 16))
                    store16(out, to + o, a)
                    store16(out, to + o + 16, b)
                for o in range(O // 32 * 32, O, LANES):
                    a = load16(bias, o)
                    for y in range(max(0, top), min(H, top + KH)):
                        shift = ((y - top) * KW - y * W - left) * C * O + o
                        for k in range(start[y * W + first], start[y * W + last]):
                            a = add_float(a, load16(weight, spikes[k] + shift))
                    store16(out, to + o, a)


def weight_kernel(
    words: Any, grad: Any, out: Any, C: Any, O: Any, size: Any, kernel: Any,
    stride: Any, padding: Any, out_size: Any,
) -> None:  # fmt: skip
    """Add up the weight's gradient, in as many parts as ``out [parts, KH KW C O]`` has.

    ``grad [N, OH, OW, O]`` is flat.
    """
    H, W = size
    KH, KW = kernel
    SH, SW = stride
    PH, PW = padding
    OH, OW = out_size
    parts, N = len(out), len(words)
    for part in prange(parts):
        sums = out[part]
        sums[:] = np.float32(0.0)
        spikes = np.empty(64 * words.shape[1], np.int64)
        start = np.empty(H * W + 1, np.int64)
        for n in range(part * N // parts, (part + 1) * N // parts):
            list_spikes(words[n], H * W, C, O, spikes, start)
            for oy in range(OH):
                top = oy * SH - PH
                for ox in range(OW):
                    left = ox * SW - PW
                    first, last = inside(left, W), inside(left + KW, W)
                    at = ((n * OH + oy) * OW + ox) * O
                    for o in range(0, O // 32 * 32, 32):
                        a, b = load16(grad, at + o), load16(grad, at + o + 16)
                        for y in range(max(0, top), min(H, top + KH)):
                            shift = ((y - top) * KW - y * W - left) * C * O + o
                            for k in range(start[y * W + first], start[y * W + last]):
                                to = spikes[k] + shift
                                store16(sums, to, add_float(load16(sums, to), a))
                                store16(sums, to + 16, add_float(load16(sums, to + 16), b))
                    for o in range(O // 32 * 32, O, LANES):
                        a = load16(grad, at + o)
                        for y in range(max(0, top), min(H, top + KH)):
                            shift = ((y - top) * KW - y * W - left) * C * O + o
                            for k in range(start[y * W + first], start[y * W + last]):
                                to = spikes[k] + shift
                                store16(sums, to, add_float(load16(sums, to), a))


# -- host functions -----------------------------------------------------------------------------

_forward = Kernel(forward_kernel, "words u64[N, W], weight f32[], bias f32[O], out f32[]", "conv")
_weight = Kernel(weight_kernel, "words u64[N, W], grad f32[], out f32[P, S]", "conv")


def forward_by_events(density: float) -> bool:
    """Return whether adding weight rows beats the dense convolution, forward."""
    return density < 0.35


def weight_by_events(density: float) -> bool:
    """Return the same for the gradient of the weight."""
    return density < 0.28


def unsupported(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> str | None:
    """Return why this backend cannot run the layer; None if it can."""
    if isinstance(weight, SpikeTensor):
        return "only the input of a convolution may be spikes"
    if x.ndim != weight.ndim:
        return f"the input {tuple(x.shape)} has no batch axis"
    return not_on_cpu(x, weight, dtypes=(torch.float32, torch.float64)) or unreadable(bias)


class _Geometry:
    """The arguments of a convolution beside its tensors, and its sizes as the kernels take them."""

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
        """Return the input as torch's convolution takes it with `arguments`: see `skips_pixels`."""
        return dense[self._seen] if self._skips else dense

    def convolve(self, dense: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return torch's convolution of the unpacked input."""
        y: Tensor = aten.convolution(self.seen(dense), weight, bias, *self.arguments)
        return y

    def gradient(self, grad: Tensor, weight: Tensor) -> Tensor:
        """Return the gradient of the input ``[N, C, ...]``, for that of the output."""
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
        """Return nanoseconds by events: less than half a one for 16 additions."""
        taps = math.prod(self.out) * math.prod(self.kernel) * self.shape[0] * self.shape[1]
        return 0.4 * density * taps * outputs / LANES


def _reference(ctx: Any) -> tuple[Arguments, Callable[..., Tensor]]:
    convolve = ctx.geometry.convolve
    return (*ctx.saved_tensors, None), lambda x, w, b, _: convolve(x.dense(), w, b)


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: SpikeTensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry
    ) -> Tensor:
        rows = channels_last_rows(x)
        density = density_of(rows) if geometry.by_events else 1.0
        ctx.geometry, ctx.rows, ctx.density = geometry, rows, density
        ctx.save_for_backward(x, weight, bias)
        if geometry.by_events and forward_by_events(density):
            return own(_by_events(rows, weight, bias, geometry, density))
        return geometry.convolve(dense_of(rows, x.dtype), weight, bias)

    @staticmethod
    @differentiable_again(_reference)
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        _, weight, has_bias = ctx.saved_tensors
        geometry: _Geometry = ctx.geometry
        bias = None if has_bias is None else grad.sum([0, *range(2, grad.ndim)])
        dw = dx = None
        if ctx.needs_input_grad[1]:
            if geometry.by_events and weight_by_events(ctx.density):
                dw = _weight_by_events(ctx.rows, grad, geometry, ctx.density)
            else:
                dense = geometry.seen(dense_of(ctx.rows, grad.dtype))
                dw = weight_gradient(grad, dense, weight, geometry.arguments)
        if ctx.needs_input_grad[0]:
            dx = geometry.gradient(grad, weight)
        return dx, dw, bias, None


def channels_last_rows(x: SpikeTensor) -> Rows:
    """Return the spikes as rows of features ``(H, W, C)``."""
    rows = as_channels_last(x.bits, x.ndim - 1)
    if rows is None:  # words hold other axes
        rows = as_channels_last(Rows.pack(x.bits.rows().dense(x.dtype), 1), x.ndim - 1)
        assert rows is not None  # noqa: S101 -- it was packed so
    return rows


def dense_of(rows: Rows, dtype: torch.dtype) -> Tensor:
    """Return `channels_last_rows` as ``[N, C, H, W]``, channels last."""
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
    wide, words = padded(O), rows.matrix()
    table = torch.zeros((*geometry.kernel, C, wide), dtype=torch.float32, device="cpu")
    table[..., :O] = weight.detach().permute(2, 3, 1, 0)
    start = torch.zeros(wide, dtype=torch.float32, device="cpu")
    if bias is not None:
        start[:O] = bias.detach()
    out = pool.empty((len(words), *geometry.out, wide))
    _forward(words, table, start, out, C, wide, *geometry.sizes, work=geometry.work(density, wide))
    return (out if wide == O else out[..., :O].contiguous()).movedim(-1, 1)


def _weight_by_events(rows: Rows, grad: Tensor, geometry: _Geometry, density: float) -> Tensor:
    O, C = grad.shape[1], rows.features[-1]
    width = padded(O)
    wide = grad.movedim(1, -1)
    if width != O:
        wide = pool.empty((*wide.shape[:-1], width))
        wide[..., :O] = grad.movedim(1, -1)
    size = math.prod(geometry.kernel) * C * width
    parts = max(2, min(PARTS, 2**20 // size))
    out = pool.empty((parts, size))
    _weight(
        rows.matrix(), wide.contiguous(), out, C, width, *geometry.sizes,
        work=2 * geometry.work(density, width),
    )  # fmt: skip
    total = out.numpy().reshape(parts, *geometry.kernel, C, width)[..., :O].sum(0)
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
    """Return torch's convolution of ``x.dense()``, ``[N, C, ...]`` to ``[N, O, ...]``."""
    geometry = _Geometry(x, weight, bias, stride, padding, dilation, groups)
    y: Tensor = _Conv.apply(x, weight, bias, geometry)
    return y
