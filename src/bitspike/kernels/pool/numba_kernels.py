"""Pooling of bits, channels last: ``[N, H W C]`` as words, a plane as ``[N, H, W, C]``.

Among zeros and ones a window's maximum is whether any is 1. Sizes come in pairs, height first.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from bitspike.kernels.runtime.numba_simd import (
    add_float,
    keep,
    load16,
    popcount,
    store16,
    trailing_zeros,
)

WORD = 64

# Bound by specialise; the value here is what the type checker and a reader see.
dtype: Any = np.float32


@njit(inline="always")
def bits_at(words: Any, position: Any, count: Any) -> Any:
    """``count`` bits, at most 64, from any position."""
    w, shift = position // WORD, position % WORD
    bits = words[w] >> np.uint64(shift)
    if shift + count > WORD:
        bits |= words[w + 1] << np.uint64(WORD - shift)
    if count < WORD:
        bits &= (np.uint64(1) << np.uint64(count)) - np.uint64(1)
    return bits


@njit(inline="always")
def add_float32(bits: Any, x: Any, start: Any, out: Any, to: Any, count: Any) -> None:
    """``out[to + j] += x[start + j]`` where bit j is set, for ``count`` elements."""
    whole = count // 16 * 16
    for j in range(0, whole, 16):
        kept: Any = keep(bits >> np.uint64(j), load16(x, start + j))
        store16(out, to + j, add_float(load16(out, to + j), kept))
    for j in range(whole, count):
        if (bits >> np.uint64(j)) & np.uint64(1):
            out[to + j] += x[start + j]


@njit(inline="always")
def add_float64(bits: Any, x: Any, start: Any, out: Any, to: Any, count: Any) -> None:
    """The same for float64, one element after the other."""
    for j in range(count):
        if (bits >> np.uint64(j)) & np.uint64(1):
            out[to + j] += x[start + j]


add: Any = add_float32


def maximum(
    words: Any, out: Any, C: Any, size: Any, kernel: Any, stride: Any, padding: Any,
    dilation: Any, out_size: Any,
) -> None:  # fmt: skip
    """Whether any spike is in the window, words to words."""
    H, W = size
    KH, KW = kernel
    SH, SW = stride
    PH, PW = padding
    DH, DW = dilation
    OH, OW = out_size
    for n in prange(len(words)):
        image = words[n]
        pooled = out[n]
        pooled[:] = np.uint64(0)
        for oy in range(OH):
            for ox in range(OW):
                for c in range(0, C, WORD):
                    count = min(WORD, C - c)
                    any_spike = np.uint64(0)
                    for ky in range(KH):
                        y = oy * SH - PH + ky * DH
                        if y < 0 or y >= H:
                            continue
                        for kx in range(KW):
                            x = ox * SW - PW + kx * DW
                            if x >= 0 and x < W:
                                any_spike |= bits_at(image, (y * W + x) * C + c, count)
                    to = (oy * OW + ox) * C + c
                    w, shift = to // WORD, to % WORD
                    pooled[w] |= any_spike << np.uint64(shift)
                    if shift + count > WORD:
                        pooled[w + 1] |= any_spike >> np.uint64(WORD - shift)


def maximum_backward(
    words: Any, grad: Any, out: Any, C: Any, size: Any, kernel: Any, stride: Any, padding: Any,
    dilation: Any, out_size: Any,
) -> None:  # fmt: skip
    """A window's gradient goes to its first spike, or to its first element if there is none."""
    H, W = size
    KH, KW = kernel
    SH, SW = stride
    PH, PW = padding
    DH, DW = dilation
    OH, OW = out_size
    for n in prange(len(words)):
        image = words[n]
        at = n * H * W * C
        out[at : at + H * W * C] = dtype(0.0)
        for oy in range(OH):
            for ox in range(OW):
                for c in range(0, C, WORD):
                    count = min(WORD, C - c)
                    start = ((n * OH + oy) * OW + ox) * C + c
                    every = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(WORD - count)
                    any_spike, seen = np.uint64(0), np.uint64(0)
                    first = -1
                    for ky in range(KH):
                        y = oy * SH - PH + ky * DH
                        if y < 0 or y >= H:
                            continue
                        for kx in range(KW):
                            x = ox * SW - PW + kx * DW
                            if x < 0 or x >= W:
                                continue
                            to = (y * W + x) * C + c
                            if first < 0:
                                first = to
                            any_spike |= bits_at(image, to, count)
                    none = every & ~any_spike
                    for ky in range(KH):
                        y = oy * SH - PH + ky * DH
                        if y < 0 or y >= H:
                            continue
                        for kx in range(KW):
                            x = ox * SW - PW + kx * DW
                            if x < 0 or x >= W:
                                continue
                            to = (y * W + x) * C + c
                            own = bits_at(image, to, count) & ~seen
                            seen |= own
                            if to == first:
                                own |= none
                            if own != 0:
                                add(own, grad, start, out, at + to, count)


def count_channels(words: Any, out: Any, C: Any) -> None:
    """Spikes of each channel: words to ``[N, C]``."""
    for n in prange(len(words)):
        out[n] = 0
        for w in range(words.shape[1]):
            word = words[n, w]
            if C == 1:
                out[n, 0] += popcount(word)
                continue
            while word != 0:
                out[n, (w * WORD + trailing_zeros(word)) % C] += 1
                word &= word - np.uint64(1)
