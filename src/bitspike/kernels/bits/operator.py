"""Packing, unpacking and counting of bits as operators; words are int64, see `bitspike.spikes`."""

import torch
from torch import Tensor

from bitspike import spikes
from bitspike.kernels.runtime.operator import operator
from bitspike.spikes import pack_bits, reorder_bits, unpack_bits, word_count


def _pack(x: Tensor) -> Tensor:
    return pack_bits(x)


def _unpack(words: Tensor, features: int, dtype: torch.dtype) -> Tensor:
    return unpack_bits(words, features, dtype)


def _reorder(words: Tensor, target: Tensor) -> Tensor:
    return reorder_bits(words, len(target), target)


def _count(words: Tensor, features: int, divisor: int) -> Tensor:
    return spikes.count_over_time(words, features, divisor)


pack = operator(
    _pack,
    lambda x: x.new_empty((*x.shape[:-1], word_count(x.shape[-1])), dtype=torch.int64),
    "pack",
    differentiable=False,
)
unpack = operator(
    _unpack,
    lambda words, features, dtype: words.new_empty((*words.shape[:-1], features), dtype=dtype),
    "unpack",
    differentiable=False,
)
reorder = operator(
    _reorder, lambda words, _: torch.empty_like(words), "reorder", differentiable=False
)
count_over_time = operator(
    _count,
    lambda words, features, divisor: words.new_empty(  # noqa: ARG005
        (*words.shape[1:-1], features), dtype=torch.float32
    ),
    "count_over_time",
    differentiable=False,
)
