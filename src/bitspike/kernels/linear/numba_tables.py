"""Linear layer on constant-rate input by tables of subset sums ("four Russians").

A unit of 16 bits holds 4 steps by 4 pixels. Forward: a table of the 16 subset sums of 4 weight
rows turns up to 16 row additions into 4 look-ups. Backward: the unit is transposed, and a table
of the subset sums of the gradient at 4 steps serves 4 pixels.

A block of 16 outputs is the unit of work: its sums stay in registers. Weights and their gradient
lie block by block, ``[O' / 16, rows, 16]``, so that what a unit of work needs lies together: rows
of all outputs, a power of two apart, would fall into the same few lines of the cache. Each
output's sum runs over the groups in order, whatever the number of threads.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from bitspike.kernels.runtime.numba_simd import (
    add_float,
    empty16,
    exchange,
    fetch,
    load4,
    load16,
    splat16,
    store4,
    store16,
)

LANES = 16
TABLE = 16 * LANES  # floats in a table of 16 entries
CHUNK = 24  # groups whose tables fit the first-level cache (24 KiB)


@njit(inline="always")
def build(table: Any, at: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    """Write the sums of all 16 subsets of four vectors; bit k of an entry's number is vector k."""
    ab = add_float(a, b)
    cd = add_float(c, d)
    store16(table, at, splat16(np.float32(0.0)))
    store16(table, at + 16, a)
    store16(table, at + 32, b)
    store16(table, at + 48, ab)
    store16(table, at + 64, c)
    store16(table, at + 80, add_float(a, c))
    store16(table, at + 96, add_float(b, c))
    store16(table, at + 112, add_float(ab, c))
    store16(table, at + 128, d)
    store16(table, at + 144, add_float(a, d))
    store16(table, at + 160, add_float(b, d))
    store16(table, at + 176, add_float(ab, d))
    store16(table, at + 192, cd)
    store16(table, at + 208, add_float(a, cd))
    store16(table, at + 224, add_float(b, cd))
    store16(table, at + 240, add_float(ab, cd))


@njit(inline="always")
def look_up(table: Any, at: Any, unit: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Add to four sums the table's entries for the four nibbles of a unit."""
    a = add_float(a, load16(table, at + ((unit & 15) << 4)))
    b = add_float(b, load16(table, at + (((unit >> 4) & 15) << 4)))
    c = add_float(c, load16(table, at + (((unit >> 8) & 15) << 4)))
    d = add_float(d, load16(table, at + ((unit >> 12) << 4)))
    return a, b, c, d


@njit(inline="always")
def transpose(words: Any) -> Any:
    """4 x 4 bit transpose inside each 16-bit unit: steps and pixels change places."""
    return exchange(exchange(words, 0x0A0A0A0A0A0A0A0A, 3), 0x00CC00CC00CC00CC, 6)


@njit(inline="always")
def add_up(
    table: Any, current: Any, first: Any, step: Any, rows: Any, listed: Any, active: Any,
    units: Any, stride: Any, start: Any, quads: Any,
) -> None:  # fmt: skip
    """Add up the input of 16 outputs of one sample: at step t it lies at ``first + t * step``.

    Table has room for `CHUNK` groups; rows are the weights ``[(I + 1) * 16]``, listed the sample's
    ``active`` pixels, units its 16-bit units, those of a group ``stride`` after the last one's.
    """
    for t in range(4 * quads):
        store16(current, first + t * step, start)
    groups = (active + 3) // 4
    for g0 in range(0, groups, CHUNK):
        chunk = min(CHUNK, groups - g0)
        for g in range(chunk):
            i = 4 * (g0 + g)
            build(
                table, g * TABLE,
                load16(rows, np.int64(listed[i]) * LANES),
                load16(rows, np.int64(listed[i + 1]) * LANES),
                load16(rows, np.int64(listed[i + 2]) * LANES),
                load16(rows, np.int64(listed[i + 3]) * LANES),
            )  # fmt: skip
        for u in range(quads):
            at = first + 4 * u * step
            s0, s1 = load16(current, at), load16(current, at + step)
            s2, s3 = load16(current, at + 2 * step), load16(current, at + 3 * step)
            for g in range(chunk):
                unit = np.int64(units[np.uint64((g0 + g) * stride + u)])
                s0, s1, s2, s3 = look_up(table, g * TABLE, unit, s0, s1, s2, s3)
            store16(current, at, s0)
            store16(current, at + step, s1)
            store16(current, at + 2 * step, s2)
            store16(current, at + 3 * step, s3)


@njit(inline="always")
def fetch_ahead(index: Any, count: Any, units: Any, b: Any) -> None:
    """Fetch the memory of sample b, if there is one: another core may have written it."""
    if b < len(count):
        listed, words = index[b], units[b].reshape(-1)
        for i in range(0, count[b], 16):
            fetch(listed, i)
        for w in range(0, (count[b] + 3) // 4 * units.shape[2], 8):
            fetch(words, w)


def forward(index: Any, count: Any, units: Any, weight: Any, bias: Any, out: Any) -> None:
    """``out[t, b, :] = bias + sum of the rows of weight whose pixel fires``.

    Weight is ``[O' / 16, I + 1, 16]`` with a last row of zeros; bias ``[O']``; units
    ``[B, G, 4 H]``; out is ``[T, B, O]`` with O at most O'.
    """
    T, B, outputs = out.shape
    quads = (T + 3) // 4
    for task in prange(len(weight) * B):
        b = task % B  # all samples of a block of outputs, whose weights stay in the cache
        o = (task // B) * LANES
        current = empty16(quads * 4 * LANES)
        add_up(
            empty16(CHUNK * TABLE), current, 0, LANES, weight[task // B].reshape(-1), index[b],
            count[b], units[b].reshape(-1).view(np.uint16), units.shape[2] * 4, load16(bias, o),
            quads,
        )  # fmt: skip
        width = min(LANES, outputs - o)
        for t in range(T):
            if width == LANES:
                store16(out[t, b], o, load16(current, t * LANES))
            else:
                for k in range(width):
                    out[t, b, o + k] = current[t * LANES + k]


@njit(inline="always")
def add_group(
    sums: Any, listed: Any, group: Any, table: Any, units: Any, at: Any, quads: Any
) -> None:
    """Add a group's part of the gradient of 16 outputs' weights to sums ``[(I + 1) * 16]``.

    Table holds the subset sums of the gradient, four steps at a time; the group's transposed units
    lie from ``at`` on.
    """
    zero = splat16(np.float32(0.0))
    a, b, c, d = zero, zero, zero, zero
    for u in range(quads):
        a, b, c, d = look_up(table, u * TABLE, np.int64(units[np.uint64(at + u)]), a, b, c, d)
    i0, i1 = np.int64(listed[4 * group]) * LANES, np.int64(listed[4 * group + 1]) * LANES
    i2, i3 = np.int64(listed[4 * group + 2]) * LANES, np.int64(listed[4 * group + 3]) * LANES
    store16(sums, i0, add_float(load16(sums, i0), a))
    store16(sums, i1, add_float(load16(sums, i1), b))
    store16(sums, i2, add_float(load16(sums, i2), c))
    store16(sums, i3, add_float(load16(sums, i3), d))


@njit(inline="always")
def turn_units(turned: Any, units: Any, groups: Any) -> None:
    """Transpose all units of the first groups of a sample, ``[G, 4 H]``."""
    words = units.reshape(-1)
    for w in range(0, groups * units.shape[1], 4):
        store4(turned, w, transpose(load4(words, w)))


@njit(inline="always")
def add_gradient(
    table: Any, units: Any, stride: Any, grad: Any, first: Any, step: Any, listed: Any,
    groups: Any, sums: Any, quads: Any,
) -> None:  # fmt: skip
    """Add a sample's part of the gradient of 16 outputs' weights to sums ``[(I + 1) * 16]``.

    The gradient of the outputs at step t lies at ``first + t * step`` and is 0 for steps that fill
    up the last four. Table has room for ``quads`` tables; units are transposed, those of a group
    ``stride`` after the last one's.
    """
    for u in range(quads):
        at = first + 4 * u * step
        build(
            table, u * TABLE, load16(grad, at), load16(grad, at + step),
            load16(grad, at + 2 * step), load16(grad, at + 3 * step),
        )  # fmt: skip
    for g in range(groups):
        add_group(sums, listed, g, table, units, g * stride, quads)


def backward_weight(
    index: Any, count: Any, units: Any, grad: Any, grad_t: Any, grad_b: Any, partial: Any, T: Any
) -> None:
    """Gradient of the weight, in parts by blocks of samples that the caller adds up.

    Grad is flat, with strides ``grad_t`` and ``grad_b`` of steps and samples and 16 elements to
    spare behind the last output; partial ``[P, O' / 16, I + 1, 16]``, where part k takes the
    samples ``k B / P`` to ``(k + 1) B / P``. P must not depend on the number of threads. Sums of
    outputs beyond the last one come out as whatever lies behind it.
    """
    B = len(count)
    P, out_blocks = partial.shape[:2]
    quads = (T + 3) // 4
    stride = units.shape[2]
    starts = np.zeros(B + 1, np.int64)  # of a sample's groups among those of all
    for b in range(B):
        starts[b + 1] = starts[b] + (count[b] + 3) // 4
    turned = np.empty(starts[B] * stride, np.uint64)
    for b in prange(B):
        words = units[b].reshape(-1)
        for w in range(0, (starts[b + 1] - starts[b]) * stride, 4):
            store4(turned, starts[b] * stride + w, transpose(load4(words, w)))
    turned_units = turned.view(np.uint16)
    for task in prange(P * out_blocks):
        part = task // out_blocks
        o = (task % out_blocks) * LANES
        sums = partial[part, task % out_blocks].reshape(-1)
        zero = splat16(np.float32(0.0))
        for i in range(partial.shape[2]):
            store16(sums, i * LANES, zero)
        table = empty16(quads * TABLE)
        for b in range(part * B // P, (part + 1) * B // P):
            for u in range(quads):
                at = 4 * u * grad_t + b * grad_b + o
                g0 = load16(grad, at)
                g1 = load16(grad, at + grad_t) if 4 * u + 1 < T else zero
                g2 = load16(grad, at + 2 * grad_t) if 4 * u + 2 < T else zero
                g3 = load16(grad, at + 3 * grad_t) if 4 * u + 3 < T else zero
                build(table, u * TABLE, g0, g1, g2, g3)
            for g in range(starts[b + 1] - starts[b]):
                at = (starts[b] + g) * stride * 4
                add_group(sums, index[b], g, table, turned_units, at, quads)


TILE = 16  # rows of a block that are turned at a time: they stay in the cache


@njit(inline="always")
def turn_block(weight: Any, table: Any, block: Any) -> None:
    """Write a block of 16 outputs of the weight ``[O, I]`` to ``table[block]``, ``[rows, 16]``."""
    O, I = weight.shape
    rows = table.shape[1]
    o = block * LANES
    own = table[block].reshape(-1)
    whole = I // TILE * TILE if o + LANES <= O else 0
    for first in range(0, whole, TILE):
        for lane in range(LANES):
            for i in range(TILE):
                own[(first + i) * LANES + lane] = weight[o + lane, first + i]
    lanes = min(LANES, O - o)
    for i in range(whole, rows):
        for lane in range(LANES):
            inside = i < I and lane < lanes
            own[i * LANES + lane] = weight[o + lane, i] if inside else np.float32(0.0)


def turn_weight(weight: Any, table: Any) -> None:
    """Weight ``[O, I]`` to ``[O' / 16, rows, 16]``, filled up with zeros."""
    for block in prange(len(table)):
        turn_block(weight, table, block)


@njit(inline="always")
def add_block(partial: Any, out: Any, block: Any) -> None:
    """`add_parts` for one block of outputs."""
    O, I = out.shape
    parts, blocks, rows, _ = partial.shape
    values = partial.reshape(-1)
    o = block * LANES
    lanes = min(LANES, O - o)
    sums = np.empty(TILE * LANES, np.float32)
    for first in range(0, I, TILE):
        count = min(TILE, I - first)
        for i in range(count):
            at = (block * rows + first + i) * LANES
            total = load16(values, at)
            for part in range(1, parts):
                total = add_float(total, load16(values, at + part * blocks * rows * LANES))
            store16(sums, i * LANES, total)
        for lane in range(lanes):
            for i in range(count):
                out[o + lane, first + i] = sums[i * LANES + lane]


def add_parts(partial: Any, out: Any) -> None:
    """Add up ``partial`` ``[P, O' / 16, rows, 16]`` over P, part by part, to ``out [O, I]``."""
    for block in prange(partial.shape[1]):
        add_block(partial, out, block)
