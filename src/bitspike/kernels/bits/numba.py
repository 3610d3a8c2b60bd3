"""Between numbers, bits, and bits in another order.

A row is one sample: ``R`` rows of ``F`` features, ``W = ceil(F / 64)`` words. Arrays of kernels are
one-dimensional unless they say otherwise.
"""

import math
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from bitspike.kernels.runtime.memory import pool
from bitspike.kernels.runtime.numba_kernel import Kernel, precisions
from bitspike.kernels.runtime.numba_simd import (
    keep,
    load16,
    mask_at_least,
    mask_not_zero,
    splat16,
    store16,
    trailing_zeros,
)
from bitspike.spikes import word_count

WORD = 64


@njit(inline="always")
def features_of(w: Any, features: Any) -> Any:
    """Return the bits of word w that are features: a file may have set others."""
    left = min(WORD, features - WORD * w)
    return np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(WORD - left)


@njit(inline="always")
def pack_float32(u: Any, start: Any, count: Any, limit: Any) -> Any:
    """Return a word whose bit j is whether ``u[start + j] >= limit``, for ``count`` values.

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


# Bound by `precisions`; the value here is what the type checker and a reader see.
dtype: Any = np.float32


@njit(inline="always")
def spread_float32(word: Any, out: Any, start: Any, count: Any) -> None:
    """``out[start + j]`` becomes bit j of the word, for ``count`` elements."""
    whole = count // 16 * 16
    for j in range(0, whole, 16):
        store16(out, start + j, keep(word >> np.uint64(j), splat16(np.float32(1.0))))
    for j in range(whole, count):
        out[start + j] = np.float32((word >> np.uint64(j)) & np.uint64(1))


@njit(inline="always")
def spread_float64(word: Any, out: Any, start: Any, count: Any) -> None:
    """The same for float64, one element after the other."""
    for j in range(count):
        out[start + j] = np.float64((word >> np.uint64(j)) & np.uint64(1))


@njit(inline="always")
def gather_float32(x: Any, start: Any, count: Any) -> Any:
    """Return a word whose bit j is whether ``x[start + j] != 0``, for ``count`` elements."""
    whole = count // 16 * 16
    word = np.uint64(0)
    for j in range(0, whole, 16):
        word |= mask_not_zero(load16(x, start + j)) << np.uint64(j)
    for j in range(whole, count):
        word |= np.uint64(x[start + j] != 0) << np.uint64(j)
    return word


@njit(inline="always")
def gather_float64(x: Any, start: Any, count: Any) -> Any:
    """The same for float64, one element after the other."""
    word = np.uint64(0)
    for j in range(count):
        word |= np.uint64(x[start + j] != 0) << np.uint64(j)
    return word


spread: Any = spread_float32
gather: Any = gather_float32


def unpack_rows(words: Any, out: Any, R: Any, F: Any) -> None:
    """Write bits out as zeros and ones."""
    W = (F + WORD - 1) // WORD
    for r in prange(R):
        for w in range(W):
            spread(words[r * W + w], out, r * F + w * WORD, min(WORD, F - w * WORD))


def pack_rows(x: Any, words: Any, R: Any, F: Any) -> None:
    """Write numbers as bits; the bits beyond the last feature are zero."""
    W = (F + WORD - 1) // WORD
    for r in prange(R):
        for w in range(W):
            words[r * W + w] = gather(x, r * F + w * WORD, min(WORD, F - w * WORD))


def reorder_rows(words: Any, target: Any, out: Any, R: Any, W: Any) -> None:
    """Write feature i of each row as feature ``target[i]``."""
    for r in prange(R):
        out[r * W : (r + 1) * W] = np.uint64(0)
        for w in range(W):
            word = words[r * W + w] & features_of(w, len(target))
            while word != 0:
                to = target[w * WORD + trailing_zeros(word)]
                word &= word - np.uint64(1)
                out[r * W + to // WORD] |= np.uint64(1) << np.uint64(to % WORD)


@njit(inline="always")
def spread_byte(byte: Any) -> Any:
    """Return the bits of a byte as the lowest bits of eight bytes."""
    # Copies of the byte, each with another bit left, which is then carried to bit 8 of its byte.
    left = (byte * np.uint64(0x0101010101010101)) & np.uint64(0x8040201008040201)
    return ((left + np.uint64(0x00406070787C7E7F)) >> np.uint64(7)) & np.uint64(0x0101010101010101)


def count_rows(words: Any, divisor: Any, out: Any) -> None:
    """Write each feature's spikes over the divisor: words ``[T, R, W]`` to float32 ``[R, N]``.

    Eight features are counted at once, in the bytes of a word, for up to 255 steps.
    """
    T, R, W = words.shape
    N = out.shape[1]
    for r in prange(R):
        for w in range(W):
            for j in range(0, min(64, N - 64 * w), 8):
                last = min(8, N - 64 * w - j)
                for k in range(last):
                    out[r, 64 * w + j + k] = np.float32(0.0)
                for start in range(0, T, 255):
                    counts = np.uint64(0)
                    for t in range(start, min(start + 255, T)):
                        counts += spread_byte((words[t, r, w] >> np.uint64(j)) & np.uint64(255))
                    for k in range(last):
                        count = (counts >> np.uint64(8 * k)) & np.uint64(255)
                        out[r, 64 * w + j + k] += np.float32(count)
                for k in range(last):
                    out[r, 64 * w + j + k] /= np.float32(divisor)


# -- host functions -----------------------------------------------------------------------------

_unpack = precisions(
    unpack_rows, "words u64[], out real[]", spread=(spread_float32, spread_float64)
)
_pack = precisions(pack_rows, "x real[], words u64[]", gather=(gather_float32, gather_float64))
_reorder = Kernel(reorder_rows, "words u64[], target i32[F], out u64[]")
_over_time = Kernel(count_rows, "words u64[T, R, W], out f32[R, F]")


def unsupported(device: torch.device, dtype: torch.dtype = torch.float32) -> str | None:
    """Return why this backend cannot pack or unpack; None if it can."""
    if device.type != "cpu":
        return f"the spikes are on {device}"
    return None if dtype in _unpack else f"the numbers are {dtype}"


def unpack(words: Tensor, features: int, dtype: torch.dtype) -> Tensor:
    """Return a tensor ``[..., F]`` of 0 and 1 from words ``[..., W]``."""
    lead = words.shape[:-1]
    out = pool.empty((*lead, features), dtype)
    rows = math.prod(lead)
    _unpack[dtype](words.contiguous(), out, rows, features, work=0.3 * out.numel())
    return out


def pack(x: Tensor) -> Tensor:
    """Return words ``[..., W]`` of a tensor ``[..., F]``: a bit is set where ``x`` is not zero."""
    x = x.detach().contiguous()
    *lead, features = x.shape
    words = torch.empty((*lead, word_count(features)), dtype=torch.int64, device="cpu")
    _pack[x.dtype](x, words, math.prod(lead), features, work=0.3 * x.numel())
    return words


def reorder(words: Tensor, target: Tensor) -> Tensor:
    """Return words ``[..., W]`` in which feature i of each row has become ``target[i]``."""
    *lead, W = words.shape
    out = torch.empty((*lead, W), dtype=torch.int64, device="cpu")
    _reorder(words.contiguous(), target, out, math.prod(lead), W, work=20 * out.numel())
    return out


def count_over_time(words: Tensor, features: int, divisor: int) -> Tensor:
    """Return spikes of each feature over ``divisor``, float32 ``[..., F]``, of ``[T, ..., W]``."""
    T, *lead, W = words.shape
    out = torch.empty((math.prod(lead), features), dtype=torch.float32, device="cpu")
    words = words.reshape(T, len(out), W).contiguous()
    _over_time(words, divisor, out, work=T * out.numel())
    return out.view(*lead, features)
