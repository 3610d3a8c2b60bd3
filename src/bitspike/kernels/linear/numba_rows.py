"""Linear layer on rows of bits: one row of weights is added for each spike.

Spikes are found by counting trailing zeros, sums stay in registers, 64 outputs at a time.
"""

from typing import Any

import numpy as np
from numba import prange

from bitspike.kernels.bits.numba_decisions import features_of
from bitspike.kernels.runtime.numba_simd import add_float, load16, popcount, store16, trailing_zeros

LANES = 16
TOGETHER = 16  # rows of a task, which share its memory


def forward(words: Any, weight: Any, bias: Any, out: Any) -> None:
    """``out[r] = bias + sum of weight[i] over the spikes i of row r``.

    Words ``[R, W]``, weight ``[I, O]`` with O a multiple of 16, bias ``[O]``, out ``[R, O]``.
    """
    R, W = words.shape
    O = weight.shape[1]
    rows = weight.reshape(-1)
    for task in prange((R + TOGETHER - 1) // TOGETHER):
        spikes = np.empty(64 * W, np.int64)
        for r in range(task * TOGETHER, min(R, (task + 1) * TOGETHER)):
            n = 0
            for w in range(W):
                word = words[r, w] & features_of(w, len(weight))
                while word != 0:
                    spikes[n] = (64 * w + trailing_zeros(word)) * O
                    n += 1
                    word &= word - np.uint64(1)
            own = out[r]
            for o in range(0, O - 63, 64):
                a, b = load16(bias, o), load16(bias, o + 16)
                c, d = load16(bias, o + 32), load16(bias, o + 48)
                for k in range(n):
                    at = spikes[k] + o
                    a = add_float(a, load16(rows, at))
                    b = add_float(b, load16(rows, at + 16))
                    c = add_float(c, load16(rows, at + 32))
                    d = add_float(d, load16(rows, at + 48))
                store16(own, o, a)
                store16(own, o + 16, b)
                store16(own, o + 32, c)
                store16(own, o + 48, d)
            for o in range(O // 64 * 64, O, LANES):
                a = load16(bias, o)
                for k in range(n):
                    a = add_float(a, load16(rows, spikes[k] + o))
                store16(own, o, a)


def backward_weight(words: Any, grad: Any, out: Any) -> None:
    """``out[i] = sum of grad[r] over the rows r in which i spikes``; a task owns 64 features.

    Words ``[R, W]``, grad ``[R, O]`` with O a multiple of 16, out ``[I, O]``.
    """
    R, W = words.shape
    I, O = out.shape
    gradient = grad.reshape(-1)
    sums = out.reshape(-1)
    for w in prange(W):
        last = min(I, 64 * w + 64)
        sums[64 * w * O : last * O] = np.float32(0.0)
        for r in range(R):
            word = words[r, w] & features_of(w, I)
            while word != 0:
                to = (64 * w + trailing_zeros(word)) * O
                word &= word - np.uint64(1)
                for o in range(0, O, LANES):
                    value = add_float(load16(sums, to + o), load16(gradient, r * O + o))
                    store16(sums, to + o, value)


def count_spikes(words: Any, partial: Any) -> None:
    """Set bits of ``words``, in as many parts as ``partial`` has."""
    parts = len(partial)
    for k in prange(parts):
        total = np.int64(0)
        for i in range(k * len(words) // parts, (k + 1) * len(words) // parts):
            total += popcount(words[i])
        partial[k] = total
