"""Linear layers on rows of bits by tables of subset sums, see `_table_kernels`.

Event by event, a spike costs several times what its addition takes: it must be found. Tables cost
the same for any density. Forward, four neighbouring features share one: a row of 64 features is 16
look-ups. Backward, four rows share one: eight rows are two look-ups for each feature.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from bitspike.kernels.linear.numba_tables import LANES, TABLE, add_block, build
from bitspike.kernels.runtime.numba_simd import (
    add_float,
    empty16,
    exchange,
    gather_bytes,
    load8,
    load16,
    splat16,
    store8,
    store16,
)

WORD, GROUPS = 64, 16  # features and tables of a word
EIGHTS = 8  # times eight rows share their tables with all features
TILE = 128  # rows that are worked on together, so that the tables of a word stay in the cache


@njit(inline="always")
def by_feature(rows: Any) -> Any:
    """Eight words of 64 features, a row each, to 64 bytes of eight rows, a feature each."""
    words: Any = exchange(gather_bytes(rows), 0x00AA00AA00AA00AA, 7)
    words = exchange(words, 0x0000CCCC0000CCCC, 14)
    return exchange(words, 0x00000000F0F0F0F0, 28)


def forward(words: Any, weight: Any, bias: Any, out: Any) -> None:
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


def backward_weight(words: Any, grad: Any, step: Any, partial: Any, out: Any) -> None:
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
