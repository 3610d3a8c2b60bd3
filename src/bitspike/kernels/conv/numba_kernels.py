"""Convolution of spikes, channels last: one row of weights is added for each spike in a window.

A window covers, in each of its rows, neighbouring pixels, and their spikes follow each other: bit
``x C + c`` of an image's row is pixel x, channel c. The weight is ``[KH, KW, C, O]``, so that the
same distance leads from spike to spike and from weight row to weight row. Sums stay in registers,
64 outputs at a time. O is a multiple of 16.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from bitspike.kernels.bits.numba_decisions import features_of
from bitspike.kernels.runtime.numba_simd import add_float, load16, store16, trailing_zeros

LANES = 16


@njit(inline="always")
def list_spikes(words: Any, pixels: Any, C: Any, O: Any, spikes: Any, start: Any) -> None:
    """An image's spikes in order, each as its bit times O, and where each pixel's begin."""
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
    """The pixel x of a row, or its nearest end: a window may lie wholly in the padding."""
    return max(0, min(W, x))


def forward(
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


def backward_weight(
    words: Any, grad: Any, out: Any, C: Any, O: Any, size: Any, kernel: Any,
    stride: Any, padding: Any, out_size: Any,
) -> None:  # fmt: skip
    """The weight's gradient, in as many parts as ``out [parts, KH KW C O]`` has.

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
