"""What kernels take by its address, checked where it enters: beyond it they would not notice."""

import torch
from torch import Tensor

from bitspike.spikes._words import word_count


def _refuse(x: Tensor, wanted: str) -> None:
    raise ValueError(
        f"a compiled kernel takes {wanted} in the memory of the CPU, but got {x.dtype} "
        f"{tuple(x.shape)} with strides {x.stride() if x.layout is torch.strided else None} on "
        f"{x.device}"
    )


def address_of(x: Tensor) -> int:
    """Where the memory of ``x`` begins.

    Raises:
        ValueError: if it has none on the CPU, as a fake tensor or one on the device ``meta``.
    """
    address = x.data_ptr() if x.is_cpu else 0
    if address == 0 and (not x.is_cpu or x.numel() > 0):
        _refuse(x, "tensors")
    return address


def at(x: Tensor, dtype: torch.dtype, *shape: int) -> tuple[int, ...]:
    """The address of ``x`` and the length of each axis, as a kernel takes an array.

    Raises:
        ValueError: unless ``x`` is contiguous, on the CPU, of this type and shape.
    """
    if x.dtype is not dtype or x.shape != shape or not (x.is_cpu and x.is_contiguous()):
        _refuse(x, f"a contiguous tensor of {dtype} {shape}")
    return (x.data_ptr() or address_of(x), *shape)


def check_words(words: Tensor, features: int) -> Tensor:
    """``words`` ``[..., W]``, if they are those of so many features.

    Raises:
        ValueError: if they are not, or not on the CPU.
    """
    if words.dtype is not torch.int64 or words.shape[-1] != word_count(features):
        _refuse(words, f"spikes of {features} features as words of torch.int64")
    address_of(words)
    return words
