"""Which tensors kernels can read, and how they lie in memory."""

from typing import Any

import torch
from torch import Tensor, nn

from bitspike.spikes import SpikeTensor

_WITH_MEMORY = frozenset({Tensor, nn.Parameter, SpikeTensor})


def unreadable(*tensors: Tensor | None) -> str | None:
    """Return why kernels cannot read some of these tensors; None if they can.

    A subclass of ``Tensor`` may be a wrapper that has no memory of its own, or mean something by
    each of torch's operations.
    """
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in _WITH_MEMORY:
            return f"a {type(tensor).__name__} is not a plain tensor"
        if tensor.layout is not torch.strided:
            return f"a tensor is {tensor.layout}"
        if not torch.compiler.is_compiling() and tensor.is_neg():
            return "a tensor has torch's negative bit: call resolve_neg() on it"
    return None


def without_negative_bit(x: Any) -> Any:
    """Return ``x``, resolved if it is a view such as ``z.conj().imag``: the negative of memory."""
    if x is None or not x.is_neg():
        return x
    held = x.ndim > 0 and x.stride(0) == 0
    return x[:1].resolve_neg().expand(x.shape) if held else x.resolve_neg()


def is_channels_last(x_seq: Tensor) -> bool:
    """Return whether the features of ``[T, B, C, ...]`` lie side by side, channels last."""
    if x_seq.ndim < 4 or x_seq.stride(2) != 1 or x_seq.shape[2] == 1:
        return False
    return x_seq.movedim(2, -1)[0, 0].is_contiguous()
