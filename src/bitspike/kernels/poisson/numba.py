"""Poisson encoding into bits: of a constant image, 64 steps of a pixel at a time.

A probability is a fraction in base 256, ``0.p1 p2 p3 ...``. A uniform number lies below it if, at
the first digit in which the two differ, the number's is the smaller one. 64 random bytes are the
first digits of 64 steps. Where one is equal, which is a tie, the next digits are drawn in a pass of
their own: branches that cannot be predicted would cost more than the arithmetic.

The random bytes of a pixel depend on the seed, its sample and its number alone: SplitMix64 as a
function of a counter (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014), started at a place that the three tell.
"""

import math
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from bitspike.kernels.poisson import reference
from bitspike.kernels.runtime.memory import not_on_cpu, pool
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.runtime.numba_simd import (
    add,
    bit_xor,
    exchange,
    gather_quarters,
    load4,
    load8,
    load16,
    mask_bytes_below,
    mask_bytes_equal,
    mask_not_zero,
    multiply,
    shift_right,
    splat8,
    store4,
    trailing_zeros,
)
from bitspike.spikes import ActivePixels, Rows, SpikeTensor

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
OF_SAMPLES, OF_PIXELS = np.uint64(0xD1342543DE82EF95), np.uint64(0xF1357AEA2E62A9C5)
OF_STEPS = np.uint64(0xAF251AF3B0F025B5)
LANES, DIGITS = 8, 8
TOGETHER = 8  # samples of a task, which share its memory
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
COUNTERS = np.arange(LANES, dtype=np.uint64) * GOLDEN


@njit(inline="always")
def mix(z: Any) -> Any:
    """SplitMix64's hash of a word."""
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def mix_lanes(z: Any) -> Any:
    """`mix` of eight words."""
    z = multiply(bit_xor(z, shift_right(z, 30)), splat8(MIX_1))
    z = multiply(bit_xor(z, shift_right(z, 27)), splat8(MIX_2))
    return bit_xor(z, shift_right(z, 31))


@njit(inline="always")
def fraction(x: Any) -> Any:
    """Return a probability in (0, 1] as eight digits in base 256; k / 255 is exact, 0.kkk..."""
    byte = np.int64(x * np.float32(255.0) + np.float32(0.5))
    if np.float32(byte) / np.float32(255.0) == x:
        return np.uint64(byte) * np.uint64(0x0101010101010101)
    high = np.uint64(np.float64(x) * 4294967296.0)  # a float32 above 2^-8 has no more digits
    rest = np.float64(x) * 4294967296.0 - np.float64(high)
    return (high << np.uint64(32)) | np.uint64(rest * 4294967296.0)


@njit(inline="always")
def random_bytes(start: Any, block: Any, digit: Any) -> Any:
    """Return a digit of the uniform numbers of 64 steps, of a pixel whose sequence starts there."""
    place = start + np.uint64((block * DIGITS + digit) * LANES) * GOLDEN
    return mix_lanes(add(splat8(place), load8(COUNTERS, 0)))


@njit(inline="always")
def digit_of(p: Any, digit: Any) -> Any:
    """Return a digit of a fraction in base 256."""
    return (p >> np.uint64(56 - 8 * digit)) & np.uint64(255)


@njit(inline="always")
def units_of(pixels: Any) -> Any:
    """64 steps of four pixels, a lane each, to 16 units of 4 steps by 4 pixels."""
    # The number of a bit is (pixel, step) and shall be (step, pixel): exchange its digits.
    words: Any = exchange(gather_quarters(pixels), 0x00000000FF00FF00, 24)
    words = exchange(words, 0x00CC00CC00CC00CC, 6)
    words = exchange(words, 0x0000F0F00000F0F0, 12)
    return exchange(words, 0x0A0A0A0A0A0A0A0A, 3)


@njit(inline="always")
def list_active(x: Any, listed: Any) -> Any:
    """Write the positions of the values of ``x`` that are not zero, and return their number."""
    I = len(x)
    n = 0
    for i in range(0, I - 15, 16):
        active: Any = mask_not_zero(load16(x, i))
        while active != 0:
            listed[n] = i + trailing_zeros(active)
            n += 1
            active &= active - np.uint64(1)
    for i in range(I // 16 * 16, I):
        if x[i] != 0:
            listed[n] = i
            n += 1
    return n


def draw_constant(
    x: Any, seed: Any, first_sample: Any, T: Any, index: Any, count: Any, units: Any
) -> Any:
    """List the pixels of ``x`` ``[B, I]`` that are not zero, and draw their spikes.

    Return how many samples have a value that is no probability.
    """
    B, I = x.shape
    blocks = (T + 63) // 64
    last = ALL >> np.uint64(64 * blocks - T)
    wrong = 0
    room = (I + 3) // 4 * 4
    for task in prange((B + TOGETHER - 1) // TOGETHER):
        p, starts = np.empty(room, np.uint64), np.empty(room, np.uint64)
        most = room * blocks + 1
        ties, tied = np.empty(most, np.uint64), np.empty(most, np.uint64)
        for b in range(task * TOGETHER, min(B, (task + 1) * TOGETHER)):
            listed = index[b]
            n = list_active(x[b], listed)
            places = (n + 3) // 4 * 4
            of_sample = mix(np.uint64(seed) + np.uint64(first_sample + b) * OF_SAMPLES)
            valid = True
            for j in range(n):
                rate = x[b, listed[j]]
                valid &= rate > 0 and rate <= 1
                p[j] = fraction(rate)
                starts[j] = of_sample + np.uint64(listed[j]) * OF_PIXELS
            for j in range(n, places):
                listed[j] = I
                p[j], starts[j] = 0, 0
            count[b] = n
            wrong += not valid
            out = units[b].reshape(-1)
            tie_count = 0
            for j in range(places):
                byte = digit_of(p[j], 0)
                for block in range(blocks):
                    steps = last if block == blocks - 1 else ALL
                    word = random_bytes(starts[j], block, 0)
                    at = 4 * (j // 4 * blocks + block) + j % 4
                    out[at] = steps & mask_bytes_below(word, byte)
                    ties[tie_count] = np.uint64(j) << np.uint64(32) | np.uint64(block)
                    tied[tie_count] = steps & mask_bytes_equal(word, byte)
                    tie_count += tied[tie_count] != 0
            for tie in range(tie_count):
                place = np.int64(ties[tie] >> np.uint64(32))
                which = np.int64(np.uint32(ties[tie]))
                below, equal = np.uint64(0), tied[tie]
                digit = 1
                while digit < DIGITS and equal != 0:
                    word, byte = (
                        random_bytes(starts[place], which, digit),
                        digit_of(p[place], digit),
                    )
                    below |= equal & mask_bytes_below(word, byte)
                    equal &= mask_bytes_equal(word, byte)
                    digit += 1
                if p[place] == ALL:  # one itself, which has no such digits
                    below |= equal
                out[4 * (place // 4 * blocks + which) + place % 4] |= below
            for at in range(0, places * blocks, 4):
                store4(out, at, units_of(load4(out, at)))
    return wrong


def draw_steps(x: Any, seed: Any, out: Any) -> Any:
    """Draw dense spikes with the probabilities ``x`` ``[T, B, I]``, which change over time.

    Return how many samples have, at a step, a value that is no probability.
    """
    T, B, I = x.shape
    wrong = 0
    for row in prange(T * B):
        t, b = row // B, row % B
        of_step = mix(np.uint64(seed) + np.uint64(t) * OF_STEPS)
        of_sample = mix(of_step + np.uint64(b) * OF_SAMPLES)
        valid = True
        for i in range(I):
            rate = x[t, b, i]
            fires = False
            if rate != 0:
                valid &= rate > 0 and rate <= 1
                p = fraction(rate)
                fires = p == ALL or mix(of_sample + np.uint64(i) * OF_PIXELS) < p
            out[t, b, i] = np.float32(fires)
        wrong += not valid
    return wrong


# -- host functions -----------------------------------------------------------------------------

_constant = Kernel(draw_constant, "x f32[B, I], index i32[B, L], count i32[B], units u64[B, G, H]")
_steps = Kernel(draw_steps, "x f32[T, B, I], out f32[T, B, I]")


def unsupported(x_seq: Tensor) -> str | None:
    """Return why this backend cannot encode ``x_seq`` into bits; None if it can."""
    return not_on_cpu(x_seq, dtypes=(torch.float32,))


def encode_constant(x: Tensor, T: int, seed: int, first_sample: int = 0) -> ActivePixels:
    """Draw T steps of Poisson spikes of the images ``x``.

    Args:
        x: float32 ``[B, ...]`` in [0, 1].
        T: number of steps.
        seed: any integer below 2**63.
        first_sample: number of the first image: a batch cut in two gives the same spikes.

    Returns:
        Spikes that depend, each, on the seed and the number and value of its sample, pixel and
        step: not on the other pixels, nor on T, nor on the number of threads.

    Raises:
        ValueError: if a value of ``x`` is no probability.
    """
    B, pixels = len(x), math.prod(x.shape[1:])
    rows = x.reshape(B, pixels).contiguous()
    index = pool.empty((B, pixels + 3), torch.int32)
    count = torch.empty(B, dtype=torch.int32, device="cpu")
    units = pool.empty((B, -(-pixels // 4), 4 * -(-T // 64)), torch.int64)
    work = B * pixels * (1 + T / 64)
    if _constant(rows, np.uint64(seed), first_sample, T, index, count, units, work=work):
        reference.check_probabilities(x)
    return ActivePixels(index, count, units, T, tuple(x.shape[1:]))


def encode_held(x: Tensor, T: int, seed: int, first: int) -> Tensor:
    """Return T steps of Poisson spikes of the images ``x``; see `encode_constant`."""
    if x.numel() == 0:
        return reference.encode_held(x, T, seed, first)
    return SpikeTensor(encode_constant(x, T, seed % 2**63, first), x.dtype)


def encode(
    x: Tensor,
    generator: torch.Generator | None,
    dtype: torch.dtype,  # noqa: ARG001
    one_step: bool = False,
) -> Tensor:
    """Return spikes with the probabilities ``x``, ``[T, B, ...]`` or one step ``[B, ...]``.

    An image that is shown in every step (``img.expand(T, *img.shape)``) has its own kernel. The
    spikes of one step are a dense tensor.

    Raises:
        ValueError: if a value of ``x`` is no probability.
    """
    if one_step:
        return _draw(x.unsqueeze(0), generator).squeeze(0)
    if x.ndim >= 3 and x.stride(0) == 0 and x.numel() > 0:
        return SpikeTensor(encode_constant(x[0], len(x), _seed(generator)), x.dtype)
    return SpikeTensor(Rows.pack(_draw(x, generator), 2), x.dtype)


def _draw(x_seq: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw dense spikes; each depends on a seed and the numbers of its step and place."""
    out = pool.empty(tuple(x_seq.shape))
    if x_seq.numel() == 0:
        return out
    T, B = len(x_seq), x_seq.shape[1] if x_seq.ndim > 1 else 1
    size = T, B, x_seq.numel() // (T * B)
    rows, seed = x_seq.reshape(size).contiguous(), np.uint64(_seed(generator))
    if _steps(rows, seed, out.view(size), work=x_seq.numel()):
        reference.check_probabilities(x_seq)
    return out


def _seed(generator: torch.Generator | None) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(2**62, (), generator=generator, device=device))
