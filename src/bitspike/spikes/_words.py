"""Numbers to bits and back: one word holds 64 neighbouring features.

Bit j of word w is feature ``64 w + j``; the bits beyond the last feature are zero. Words are int64
tensors, since torch has shifts and copies for them on every device.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake

from bitspike import dispatch

WORD = 64


def is_traced(x: Tensor) -> bool:
    """Return whether ``x`` has no memory: compilers compute shapes and graphs with such tensors."""
    return type(x) is not Tensor and is_fake(x)


def traced(operation: str, *args: Any) -> Tensor:
    """Compute by the operator, of which compilers know the shape of the result."""
    result: Tensor = dispatch.deferred("bitspike.kernels.bits.operator", operation)(*args)
    return result


def word_count(features: int) -> int:
    """Return how many words ``features`` bits fill."""
    return -(-features // WORD)


def check_words(words: Tensor, features: int) -> None:
    """Raise ValueError unless ``words`` ``[..., W]`` are those of so many features."""
    if words.dtype != torch.int64 or not words.ndim or words.shape[-1] != word_count(features):
        raise ValueError(
            f"spikes: words of shape {tuple(words.shape)} and {words.dtype} do not hold {features} "
            f"features: the last axis must have {word_count(features)} words of torch.int64"
        )


def pack_bits(x: Tensor) -> Tensor:
    """Return words ``[..., W]`` of a tensor ``[..., F]``: a bit is set where ``x`` is not 0."""
    if is_traced(x):
        return traced("pack", x)
    F = x.shape[-1]
    if x.numel() == 0:
        return torch.zeros(*x.shape[:-1], word_count(F), dtype=torch.int64, device=x.device)
    kernels = dispatch.available("bits", x.device, x.dtype)
    if kernels is not None:
        packed: Tensor = kernels.pack(x)
        return packed
    bits = x.detach() != 0
    if F % WORD:
        bits = torch.nn.functional.pad(bits, (0, WORD - F % WORD))
    if x.device.type == "cpu":
        packed = torch.from_numpy(np.packbits(bits.numpy(), axis=-1, bitorder="little"))
    else:
        weight = 2 ** torch.arange(8, device=x.device, dtype=torch.int32)
        packed = (bits.unflatten(-1, (-1, 8)) * weight).sum(-1).to(torch.uint8)  # type: ignore[no-untyped-call]
    return packed.contiguous().view(torch.int64)


def unpack_bits(words: Tensor, features: int, dtype: torch.dtype) -> Tensor:
    """Return a tensor ``[..., F]`` of 0 and 1 from words ``[..., W]``."""
    check_words(words, features)
    if is_traced(words):
        return traced("unpack", words, features, dtype)
    if features == 0:
        return torch.empty(*words.shape[:-1], 0, dtype=dtype, device=words.device)
    kernels = dispatch.available("bits", words.device, dtype)
    if kernels is not None:
        dense: Tensor = kernels.unpack(words, features, dtype)
        return dense
    octets = words.contiguous().view(torch.uint8)[..., : -(-features // 8)]
    if words.device.type == "cpu":
        bits = np.unpackbits(octets.numpy(), axis=-1, count=features, bitorder="little")
        unpacked = torch.from_numpy(bits)
        return unpacked.view(dtype) if dtype == torch.bool else unpacked.to(dtype)
    shifts = torch.arange(8, device=words.device, dtype=torch.uint8)
    bits_of = (octets.unsqueeze(-1) >> shifts) & 1
    return bits_of.flatten(-2)[..., :features].to(dtype)


def _is_order(target: Tensor, features: int) -> bool:
    if target.dtype != torch.int32 or target.shape != (features,):
        return False
    if features and not 0 <= int(target.min()) <= int(target.max()) < features:
        return False
    seen = torch.zeros(features, dtype=torch.bool, device=target.device)
    seen[target.long()] = True
    return bool(seen.all())


def reorder_bits(words: Tensor, features: int, target: Tensor) -> Tensor:
    """Return words ``[..., W]`` in which feature i has become ``target[i]``, int32 ``[F]``.

    Raises:
        ValueError: unless ``target`` has each feature once.
    """
    check_words(words, features)
    if is_traced(words):
        return traced("reorder", words, target)
    if not _is_order(target, features):
        raise ValueError(
            f"spikes: the new places of {features} features must be 0 to {features - 1} in any "
            f"order, as int32, but got {target.dtype} of shape {tuple(target.shape)}"
        )
    kernels = dispatch.available("bits", words.device)
    if kernels is not None:
        reordered: Tensor = kernels.reorder(words, target)
        return reordered
    bits = unpack_bits(words, features, torch.uint8)
    source = torch.argsort(target).to(words.device)
    return pack_bits(bits[..., source])


def own(x: Tensor) -> Tensor:
    """Return ``x`` in the same memory, but as no view, so that a user may write into it.

    For outputs of autograd functions; torch refuses to write into those that are views.
    """
    return x if x.is_inference() else x.data


def popcount(words: Tensor) -> Tensor:
    """Return the number of set bits of each word, int64, in the shape of ``words``."""
    low = 0x5555555555555555
    pairs = 0x3333333333333333
    nibbles = 0x0F0F0F0F0F0F0F0F
    # The sign bit is cut off by the mask that follows each arithmetic shift.
    x = words - ((words >> 1) & low)
    x = (x & pairs) + ((x >> 2) & pairs)
    x = (x + (x >> 4)) & nibbles
    return ((x * 0x0101010101010101) >> 56) & 0x7F
