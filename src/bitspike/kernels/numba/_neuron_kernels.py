"""Templates of the neuron's time loop: all steps of a block of neurons, forward and backward.

The equations (``charge_h``, ``reset_v``, ``surrogate_derivative``, ...) and the constants in
capitals are bound by `specialise`. Arrays are one-dimensional; ``x_t`` and ``x_r`` are the strides
of time and of row, neighbouring neurons of a row lie side by side. A row is one sample: ``R`` rows
of ``N`` neurons, ``W = ceil(N / 64)`` words of spikes. A task is ``rows`` whole rows, which must
follow each other without a gap, or, with ``rows = 1``, a block of one row.

No arithmetic is reordered and none fused, so that spikes and potentials equal the eager
reference's to the bit.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from bitspike.kernels.numba.simd import load16, mask_at_least, splat16

BLOCK = 1024  # neurons a task; their potentials stay in the first-level cache
WORD = 64

# Bound by specialise; the values here are what the type checker and a reader see.
charge_h: Any
charge_dv: Any
charge_dx: Any
charge_dp: Any
reset_v: Any
reset_dh: Any
reset_ds: Any
surrogate_derivative: Any
dtype: Any = np.float32
WANT_P: bool = False
DETACH: bool = False


@njit(inline="always")
def pack_float32(h: Any, start: Any, count: Any, threshold: Any) -> Any:
    """Bit j of the word: whether ``h[start + j] >= threshold``, for ``count`` neurons."""
    limit = splat16(threshold)
    word = np.uint64(0)
    for lane in range(0, count, 16):
        word |= mask_at_least(load16(h, start + lane), limit) << np.uint64(lane)
    if count < WORD:
        word &= (np.uint64(1) << np.uint64(count)) - np.uint64(1)
    return word


@njit(inline="always")
def pack_float64(h: Any, start: Any, count: Any, threshold: Any) -> Any:
    """The same for float64, one neuron after the other."""
    word = np.uint64(0)
    for j in range(count):
        word |= np.uint64(h[start + j] >= threshold) << np.uint64(j)
    return word


pack: Any = pack_float32


def forward(
    x: Any, x_t: Any, x_r: Any, v0: Any, h_seq: Any, v_seq: Any, v_last: Any, words: Any,
    T: Any, R: Any, N: Any, rows: Any, p: Any, v_rest: Any, v_threshold: Any, q: Any,
) -> None:  # fmt: skip
    """Charge, fire and reset over T steps; writes spikes as bits, potentials where wanted."""
    blocks = (N + BLOCK - 1) // BLOCK
    W = (N + WORD - 1) // WORD
    for task in prange((R + rows - 1) // rows * blocks):
        r = task // blocks * rows
        n0 = (task % blocks) * BLOCK
        width = min(BLOCK, N - n0)  # of a row
        count = width * min(rows, R - r)
        v = np.empty(count, dtype)
        h = np.empty(BLOCK + WORD, dtype)  # packing reads beyond the last neuron
        v[:] = v0[r * N + n0 : r * N + n0 + count]
        for t in range(T):
            at = t * x_t + r * x_r + n0
            x_row = x[at : at + count]
            for j in range(count):
                charged = charge_h(v[j], x_row[j], p, v_rest)
                s = dtype(1.0) if charged >= v_threshold else dtype(0.0)
                h[j] = charged
                v[j] = reset_v(charged, s, q)
            out = (t * R + r) * N + n0
            if len(h_seq) > 0:
                h_seq[out : out + count] = h[:count]
            if len(v_seq) > 0:
                v_seq[out : out + count] = v
            word = (t * R + r) * W + n0 // WORD
            for first in range(0, count, width):
                for j in range(0, width, WORD):
                    bits = pack(h, first + j, min(WORD, width - j), v_threshold)
                    words[word + first // width * W + j // WORD] = bits
        v_last[r * N + n0 : r * N + n0 + count] = v


def backward(
    g: Any, g_t: Any, g_r: Any, gv_seq: Any, gv_last: Any, h_seq: Any, v0: Any,
    x: Any, x_t: Any, x_r: Any, gx: Any, gx_t: Any, gx_r: Any, gv0: Any, gp: Any,
    T: Any, R: Any, N: Any, rows: Any, p: Any, v_rest: Any, v_threshold: Any, q: Any, shape: Any,
) -> None:  # fmt: skip
    """The gradient's way back from step T - 1 to 0, through spike, reset and charge."""
    blocks = (N + BLOCK - 1) // BLOCK
    for task in prange((R + rows - 1) // rows * blocks):
        r = task // blocks * rows
        n0 = (task % blocks) * BLOCK
        width = min(BLOCK, N - n0)  # of a row
        count = width * min(rows, R - r)
        gv = np.empty(count, dtype)
        gp_sum = np.float64(0.0)
        v_row = np.zeros(count, dtype)  # v and x stay zero where the equations do not need them
        x_row = v_row
        gv[:] = gv_last[r * N + n0 : r * N + n0 + count]
        for step in range(T):
            t = T - 1 - step
            at = (t * R + r) * N + n0
            h_row = h_seq[at : at + count]
            g_at = t * g_t + r * g_r + n0
            g_row = g[g_at : g_at + count]
            gx_at = t * gx_t + r * gx_r + n0
            gx_row = gx[gx_at : gx_at + count]
            if len(gv_seq) > 0:
                for j in range(count):
                    gv[j] += gv_seq[at + j]
            if WANT_P:
                x_at = t * x_t + r * x_r + n0
                x_row = x[x_at : x_at + count]
                if t == 0:
                    v_row[:] = v0[r * N + n0 : r * N + n0 + count]
                else:
                    h_before = h_seq[at - R * N : at - R * N + count]
                    for j in range(count):
                        s = dtype(1.0) if h_before[j] >= v_threshold else dtype(0.0)
                        v_row[j] = reset_v(h_before[j], s, q)
            for j in range(count):
                h = h_row[j]
                s = dtype(1.0) if h >= v_threshold else dtype(0.0)
                gs = g_row[j]
                if not DETACH:
                    gs += gv[j] * reset_ds(h, s, q)
                gh = gs * surrogate_derivative(h - v_threshold, *shape) + gv[j] * reset_dh(h, s, q)
                gx_row[j] = gh * charge_dx(v_row[j], x_row[j], p, v_rest)
                gv[j] = gh * charge_dv(v_row[j], x_row[j], p, v_rest)
                if WANT_P:
                    gp_sum += gh * charge_dp(v_row[j], x_row[j], p, v_rest)
        gv0[r * N + n0 : r * N + n0 + count] = gv
        if WANT_P:
            gp[task] = gp_sum
