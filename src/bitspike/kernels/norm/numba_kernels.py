"""Batch norm, channels last: a matrix ``[M, C]`` of float32, flat; a column is a channel.

Sums are of float32 within 64 rows and of float64 beyond, in parts that do not depend on the number
of threads.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from bitspike.kernels.runtime.numba_simd import (
    add_float,
    load16,
    multiply_float,
    splat16,
    store16,
    subtract_float,
)

LANES = 16
BLOCK = 64  # rows that stay in the first-level cache while the columns take their turn


@njit(inline="always")
def add_lanes(first: Any, second: Any, pair: Any, out: Any, c: Any) -> None:
    """Adds two vectors to the columns from ``c`` on of ``out [2, C]``, in its precision."""
    store16(pair, 0, first)
    store16(pair, LANES, second)
    for j in range(LANES):
        out[0, c + j] += pair[j]
        out[1, c + j] += pair[LANES + j]


@njit(inline="always")
def sums_of_block(x: Any, y: Any, centre: Any, row: Any, last: Any, C: Any, out: Any) -> None:
    """Adds, for each column, ``x`` and ``x (y - centre)`` over the rows to ``out [2, C]``."""
    pair = np.empty(2 * LANES, np.float32)
    for c in range(0, C // LANES * LANES, LANES):
        total, product = splat16(np.float32(0.0)), splat16(np.float32(0.0))
        middle = load16(centre, c)
        for r in range(row, last):
            value = load16(x, r * C + c)
            total = add_float(total, value)
            other = subtract_float(load16(y, r * C + c), middle)
            product = add_float(product, multiply_float(value, other))
        add_lanes(total, product, pair, out, c)
    for c in range(C // LANES * LANES, C):
        one, two = np.float32(0.0), np.float32(0.0)
        for r in range(row, last):
            one += x[r * C + c]
            two += x[r * C + c] * (y[r * C + c] - centre[c])
        out[0, c] += one
        out[1, c] += two


@njit(inline="always")
def squares_of_block(x: Any, centre: Any, row: Any, last: Any, C: Any, out: Any) -> None:
    """Adds, for each column, ``x - centre`` and its square over the rows to ``out [2, C]``."""
    pair = np.empty(2 * LANES, np.float32)
    for c in range(0, C // LANES * LANES, LANES):
        total, product = splat16(np.float32(0.0)), splat16(np.float32(0.0))
        middle = load16(centre, c)
        for r in range(row, last):
            value = subtract_float(load16(x, r * C + c), middle)
            total = add_float(total, value)
            product = add_float(product, multiply_float(value, value))
        add_lanes(total, product, pair, out, c)
    for c in range(C // LANES * LANES, C):
        one, two = np.float32(0.0), np.float32(0.0)
        for r in range(row, last):
            value_of_row = x[r * C + c] - centre[c]
            one += value_of_row
            two += value_of_row * value_of_row
        out[0, c] += one
        out[1, c] += two


def squares(x: Any, centre: Any, out: Any, M: Any, C: Any) -> None:
    """``out [parts, 2, C]``, float64: sums of ``x - centre`` and of its square."""
    parts = len(out)
    for part in prange(parts):
        own = out[part]
        own[:, :] = 0.0
        first, last = part * M // parts, (part + 1) * M // parts
        for row in range(first, last, BLOCK):
            squares_of_block(x, centre, row, min(last, row + BLOCK), C, own)


def products(g: Any, x: Any, centre: Any, out: Any, M: Any, C: Any) -> None:
    """``out [parts, 2, C]``, float64: sums of ``g`` and of ``g (x - centre)``."""
    parts = len(out)
    for part in prange(parts):
        own = out[part]
        own[:, :] = 0.0
        first, last = part * M // parts, (part + 1) * M // parts
        for row in range(first, last, BLOCK):
            sums_of_block(g, x, centre, row, min(last, row + BLOCK), C, own)


def affine(x: Any, centre: Any, a: Any, b: Any, out: Any, M: Any, C: Any) -> None:
    """``out = (x - centre) a + b`` with one of each for each column."""
    for block in prange((M + BLOCK - 1) // BLOCK):
        row, last = block * BLOCK, min(M, (block + 1) * BLOCK)
        for c in range(0, C // LANES * LANES, LANES):
            scale, start, middle = load16(a, c), load16(b, c), load16(centre, c)
            for r in range(row, last):
                at = r * C + c
                value = multiply_float(subtract_float(load16(x, at), middle), scale)
                store16(out, at, add_float(value, start))
        for c in range(C // LANES * LANES, C):
            for r in range(row, last):
                out[r * C + c] = (x[r * C + c] - centre[c]) * a[c] + b[c]


def backward(g: Any, x: Any, centre: Any, a: Any, b: Any, d: Any, out: Any, M: Any, C: Any) -> None:
    """``out = g a + (x - centre) b + d`` with one of each for each column."""
    for block in prange((M + BLOCK - 1) // BLOCK):
        row, last = block * BLOCK, min(M, (block + 1) * BLOCK)
        for c in range(0, C // LANES * LANES, LANES):
            scale, slope = load16(a, c), load16(b, c)
            start, middle = load16(d, c), load16(centre, c)
            for r in range(row, last):
                at = r * C + c
                value = multiply_float(subtract_float(load16(x, at), middle), slope)
                value = add_float(add_float(multiply_float(load16(g, at), scale), value), start)
                store16(out, at, value)
        for c in range(C // LANES * LANES, C):
            for r in range(row, last):
                at = r * C + c
                out[at] = g[at] * a[c] + (x[at] - centre[c]) * b[c] + d[c]
