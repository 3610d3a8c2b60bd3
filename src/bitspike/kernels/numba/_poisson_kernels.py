"""Random bits with given probabilities, 64 steps of four pixels at a time.

A probability is a binary fraction ``0.p1 p2 p3 ...``. A uniform number lies below it if, at the
first digit in which the two differ, the number has 0 and the probability 1. Digit by digit this
takes one random word for 256 decisions, and about ten digits until the last of them is made.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from bitspike.kernels.numba.simd import (
    add,
    any_bit,
    bit_and,
    bit_or,
    bit_xor,
    invert,
    load4,
    rotate_left,
    shift_left,
    splat4,
    store4,
)

NIBBLES = np.uint64(0x1111111111111111)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
DIGITS = 64


@njit(inline="always")
def split_mix(state: Any) -> Any:
    """The next state and number of SplitMix64, which makes the seeds of the other generator."""
    state = state + GOLDEN
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, z ^ (z >> np.uint64(31))


@njit(inline="always")
def xoshiro(s0: Any, s1: Any, s2: Any, s3: Any) -> Any:
    """Four words of xoshiro256++ and its next state, in four independent lanes.

    Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 2021.
    """
    word = add(rotate_left(add(s0, s3), 23), s0)
    t = shift_left(s1, 17)
    s2 = bit_xor(s2, s0)
    s3 = bit_xor(s3, s1)
    s1 = bit_xor(s1, s2)
    s0 = bit_xor(s0, s3)
    return word, s0, s1, bit_xor(s2, t), rotate_left(s3, 45)


@njit(inline="always")
def fraction(x: Any) -> Any:
    """A probability in (0, 1) as 64 binary digits; k / 255 is exact, 0.kkk... in base 256."""
    byte = np.int64(x * np.float32(255.0) + np.float32(0.5))
    if np.float32(byte) / np.float32(255.0) == x:
        return np.uint64(byte) * np.uint64(0x0101010101010101)
    high = np.uint64(np.float64(x) * 4294967296.0)  # a float32 above 2^-8 has no more digits
    rest = np.float64(x) * 4294967296.0 - np.float64(high)
    return (high << np.uint64(32)) | np.uint64(rest * 4294967296.0)


@njit(inline="always")
def digit(p: Any, at: Any) -> Any:
    """Binary digit ``at`` of four probabilities, side by side, repeated for 16 steps."""
    one = np.uint64(1)
    nibble = (p[0] >> at) & one
    for k in range(1, 4):
        nibble |= ((p[k] >> at) & one) << np.uint64(k)
    return nibble * NIBBLES


@njit(inline="always")
def last_block(steps: Any) -> Any:
    """Masks of the four words of the last block, of whose 64 steps only ``steps`` exist."""
    masks = np.zeros(4, np.uint64)
    for t in range(steps):
        masks[t // 16] |= np.uint64(15) << np.uint64(4 * (t % 16))
    return masks


def encode(
    x: Any, seed: Any, first_sample: Any, T: Any, index: Any, count: Any, units: Any
) -> None:
    """Lists the pixels of ``x`` ``[B, I]`` that are not zero, and draws their spikes."""
    B, I = x.shape
    for b in prange(B):
        state = np.empty(16, np.uint64)
        seeder = np.uint64(seed) + np.uint64(first_sample + b) * np.uint64(0xD1342543DE82EF95)
        for j in range(16):
            seeder, state[j] = split_mix(seeder)
        s0, s1, s2, s3 = load4(state, 0), load4(state, 4), load4(state, 8), load4(state, 12)
        listed = index[b]
        n = 0
        for i in range(I):
            listed[n] = i
            n += x[b, i] > 0
        groups = (n + 3) // 4
        for j in range(n, groups * 4):
            listed[j] = I
        count[b] = n
        out = units[b].reshape(-1)
        blocks = (T + 63) // 64
        last = last_block(T - 64 * (blocks - 1))
        p = np.empty(4, np.uint64)
        digits = np.empty(DIGITS, np.uint64)
        for g in range(groups):
            sure = np.uint64(0)
            for k in range(4):
                pixel = listed[4 * g + k]
                p[k] = np.uint64(0)
                if pixel < I:
                    p[k] = fraction(x[b, pixel])
                    if x[b, pixel] >= np.float32(1.0):
                        sure |= NIBBLES << np.uint64(k)
            known = 0
            for block in range(blocks):
                valid = splat4(~np.uint64(0))
                if block == blocks - 1:
                    valid = load4(last, 0)
                always = bit_and(splat4(sure), valid)
                below = always
                equal = bit_and(valid, invert(always))
                d = 0
                while d < DIGITS and any_bit(equal):
                    if d == known:
                        digits[d] = digit(p, np.uint64(DIGITS - 1 - d))
                        known += 1
                    word, s0, s1, s2, s3 = xoshiro(s0, s1, s2, s3)
                    ones = splat4(digits[d])
                    below = bit_or(below, bit_and(bit_and(equal, ones), invert(word)))
                    equal = bit_and(equal, invert(bit_xor(word, ones)))
                    d += 1
                store4(out, 4 * (g * blocks + block), below)
