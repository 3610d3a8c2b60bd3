"""Linear layers on rows of bits: one row of weights added for each spike, or tables of subset sums.

Event by event, spikes are found by counting trailing zeros, and sums stay in registers, 64 outputs
at a time; a spike costs several times what its addition takes, since it must be found. Tables cost
the same for any density. Forward, four neighbouring features share one: a row of 64 features is 16
look-ups. Backward, four rows share one: eight rows are two look-ups for each feature.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from bitspike.kernels.bits.numba import features_of
from bitspike.kernels.linear.numba_tables import LANES, TABLE, add_block, build
from bitspike.kernels.runtime.numba_simd import (
    add_float,
    empty16,
    exchange,
    gather_bytes,
    load8,
    load16,
    popcount,
    splat16,
    store8,
    store16,
    trailing_zeros,
)

TOGETHER = 16  # rows of a task, which share its memory
WORD, GROUPS = 64, 16  # features and tables of a word
EIGHTS = 8  # times eight rows share their tables with all features
TILE = 128  # rows that are worked on together, so that the tables of a word stay in the cache


def forward_by_events(words: Any, weight: Any, bias: Any, out: Any) -> None:
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


def weight_by_events(words: Any, grad: Any, out: Any) -> None:
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
    """Count the set bits of ``words``, in as many parts as ``partial`` has."""
    parts = len(partial)
    for k in prange(parts):
        total = np.int64(0)
        for i in range(k * len(words) // parts, (k + 1) * len(words) // parts):
            total += popcount(words[i])
        partial[k] = total


@njit(inline="always")
def by_feature(rows: Any) -> Any:
    """Turn eight words of 64 features, a row each, to 64 bytes of eight rows, a feature each."""
    words: Any = exchange(gather_bytes(rows), 0x00AA00AA00AA00AA, 7)
    words = exchange(words, 0x0000CCCC0000CCCC, 14)
    return exchange(words, 0x00000000F0F0F0F0, 28)


def forward_by_tables(words: Any, weight: Any, bias: Any, out: Any) -> None:
    """``out[r] = bias + sum of weight[i] over the spikes i of row r``.

    Words ``[R, W]``, weight ``[O' / 16, I + 1, 16]`` with a last row of zeros, bias ``[O']``, out
    ``[R, O']``.
    """
    R, W = words.shape
    blocks, last = len(weight), weight.shape[1] - 1
    tables = empty16(blocks * W * GROUPS * TABLE)
    for group in prange(blocks * W * GROUPS):
        rows, i = weight[group // (W * GROUPS)].reshape(-1), group % (W * GROUPS) * 4
        build(
            tables, group * TABLE,
            load16(rows, min(i, last) * LANES), load16(rows, min(i + 1, last) * LANES),
            load16(rows, min(i + 2, last) * LANES), load16(rows, min(i + 3, last) * LANES),
        )  # fmt: skip
    values = out.reshape(-1)
    tiles = (R + TILE - 1) // TILE
    for task in prange(tiles * blocks):
        block, begin = task // tiles, task % tiles * TILE
        o = block * LANES
        stop = min(R, begin + TILE)
        start, zero = load16(bias, o), splat16(np.float32(0.0))
        for r in range(begin, stop):
            store16(values, r * blocks * LANES + o, start)
        for w in range(W):
            first = (block * W + w) * GROUPS * TABLE
            for r in range(begin, stop):
                word = np.int64(words[r, w])
                to = r * blocks * LANES + o
                a, b, c, d = load16(values, to), zero, zero, zero
                for quarter in range(4):
                    at = first + quarter * 4 * TABLE
                    unit = word >> (16 * quarter)
                    a = add_float(a, load16(tables, at + ((unit & 15) << 4)))
                    b = add_float(b, load16(tables, at + TABLE + (unit & 240)))
                    c = add_float(c, load16(tables, at + 2 * TABLE + ((unit >> 4) & 240)))
                    d = add_float(d, load16(tables, at + 3 * TABLE + ((unit >> 8) & 240)))
                store16(values, to, add_float(add_float(a, b), add_float(c, d)))


def weight_by_tables(words: Any, grad: Any, step: Any, partial: Any, out: Any) -> None:
    """``out[:, i] = sum of grad[r] over the rows r in which i spikes``.

    Words ``[R, W]``, out ``[O, I]``. Grad is flat, a row ``step`` after the last one, with 16
    elements to spare behind the last output. Partial ``[P, O' / 16, 64 W, 16]`` are the sums of
    rows ``k R / P`` to ``(k + 1) R / P``, which are added up part by part: P must not depend on the
    number of threads.
    """
    R, W = words.shape
    P, blocks = partial.shape[:2]
    for task in prange(P * blocks):
        begin, stop = task // blocks * R // P, (task // blocks + 1) * R // P
        o = task % blocks * LANES
        sums = partial[task // blocks, task % blocks].reshape(-1)
        sums[:] = np.float32(0.0)
        low, high = empty16(EIGHTS * TABLE), empty16(EIGHTS * TABLE)
        zero = splat16(np.float32(0.0))
        rows, bits = np.empty(8, np.uint64), np.empty(8 * EIGHTS, np.uint64)
        octets = bits.view(np.uint8)
        for first in range(begin, stop, 8 * EIGHTS):
            eights = (min(8 * EIGHTS, stop - first) + 7) // 8
            for e in range(eights):
                r = first + 8 * e
                left, at = stop - r, r * step + o
                g1 = load16(grad, at + step) if left > 1 else zero
                g2 = load16(grad, at + 2 * step) if left > 2 else zero
                g3 = load16(grad, at + 3 * step) if left > 3 else zero
                build(low, e * TABLE, load16(grad, at), g1, g2, g3)
                g4 = load16(grad, at + 4 * step) if left > 4 else zero
                g5 = load16(grad, at + 5 * step) if left > 5 else zero
                g6 = load16(grad, at + 6 * step) if left > 6 else zero
                g7 = load16(grad, at + 7 * step) if left > 7 else zero
                build(high, e * TABLE, g4, g5, g6, g7)
            for w in range(W):
                for e in range(eights):
                    for k in range(8):
                        r = first + 8 * e + k
                        rows[k] = words[r, w] if r < stop else np.uint64(0)
                    store8(bits, 8 * e, by_feature(load8(rows, 0)))
                for i in range(WORD):
                    to = (w * WORD + i) * LANES
                    a, b = load16(sums, to), zero
                    for e in range(eights):
                        byte = np.int64(octets[e * WORD + i])
                        a = add_float(a, load16(low, e * TABLE + ((byte & 15) << 4)))
                        b = add_float(b, load16(high, e * TABLE + (byte & 240)))
                    store16(sums, to, add_float(a, b))
    for block in prange(blocks):
        add_block(partial, out, block)
