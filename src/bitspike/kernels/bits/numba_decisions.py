"""64 decisions as one word of bits."""

from typing import Any

import numpy as np
from numba import njit

from bitspike.kernels.runtime.numba_simd import load16, mask_at_least, splat16

WORD = 64


@njit(inline="always")
def features_of(w: Any, features: Any) -> Any:
    """The bits of word w that are features: what a file may hold beyond them names no memory."""
    left = min(WORD, features - WORD * w)
    return np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(WORD - left)


@njit(inline="always")
def pack_float32(u: Any, start: Any, count: Any, limit: Any) -> Any:
    """Bit j of the word: whether ``u[start + j] >= limit``, for ``count`` values.

    Up to 63 values beyond the last one are read.
    """
    least = splat16(limit)
    word = np.uint64(0)
    for lane in range(0, count, 16):
        word |= mask_at_least(load16(u, start + lane), least) << np.uint64(lane)
    if count < WORD:
        word &= (np.uint64(1) << np.uint64(count)) - np.uint64(1)
    return word


@njit(inline="always")
def pack_float64(u: Any, start: Any, count: Any, limit: Any) -> Any:
    """The same for float64, one value after the other."""
    word = np.uint64(0)
    for j in range(count):
        word |= np.uint64(u[start + j] >= limit) << np.uint64(j)
    return word
