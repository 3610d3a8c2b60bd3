"""Numbers to bits and back, and bits in another order, in one pass."""

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitspike.kernels.bits import numba_kernels as templates
from bitspike.kernels.runtime.addresses import at, check_words
from bitspike.kernels.runtime.buffers import flat, pool, words_of
from bitspike.kernels.runtime.numba_kernel import Kernel, specialise
from bitspike.spikes._words import word_count

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
_reorder = Kernel(templates.reorder)
_over_time = Kernel(
    templates.count_over_time, arrays={"words": (np.uint64, 3), "out": (np.float32, 2)}
)


@cache
def _unpack_kernel(dtype: Any) -> Kernel:
    single = dtype is np.float32
    spread = templates.spread_float32 if single else templates.spread_float64
    return specialise(templates.unpack, dtype, spread=spread)


@cache
def _pack_kernel(dtype: Any) -> Kernel:
    single = dtype is np.float32
    gather = templates.gather_float32 if single else templates.gather_float64
    return specialise(templates.pack, dtype, gather=gather)


def unsupported(device: torch.device, dtype: torch.dtype = torch.float32) -> str | None:
    """Why this backend cannot pack or unpack; None if it can."""
    if device.type != "cpu":
        return f"the spikes are on {device}"
    return None if dtype in _NUMPY else f"the numbers are {dtype}"


def unpack(words: Tensor, features: int, dtype: torch.dtype) -> Tensor:
    """A tensor ``[..., F]`` of 0 and 1 from words ``[..., W]``."""
    lead = check_words(words, features).shape[:-1]
    out = pool.empty((*lead, features), dtype)
    kernel = _unpack_kernel(_NUMPY[dtype])
    kernel(
        words_of(words.contiguous()), flat(out), math.prod(lead), features, work=0.3 * out.numel()
    )
    return out


def pack(x: Tensor) -> Tensor:
    """Words ``[..., W]`` of a tensor ``[..., F]``: a bit is set where ``x`` is not zero."""
    x = x.detach().contiguous()
    *lead, features = x.shape
    words = torch.empty((*lead, word_count(features)), dtype=torch.int64, device="cpu")
    kernel = _pack_kernel(_NUMPY[x.dtype])
    kernel(flat(x), words_of(words), math.prod(lead), features, work=0.3 * x.numel())
    return words


def reorder(words: Tensor, target: Tensor) -> Tensor:
    """Words ``[..., W]`` in which feature i of each row has become feature ``target[i]``."""
    *lead, W = check_words(words, len(target)).shape
    out = torch.empty((*lead, W), dtype=torch.int64, device="cpu")
    arrays = words_of(words.contiguous()), target.numpy(), words_of(out)
    _reorder(*arrays, math.prod(lead), W, work=20 * out.numel())
    return out


def count_over_time(words: Tensor, features: int, divisor: int) -> Tensor:
    """Spikes of each feature over ``divisor``, float32 ``[..., F]``, from words ``[T, ..., W]``."""
    T, *lead, W = check_words(words, features).shape
    rows, f32 = math.prod(lead), torch.float32
    words = words.reshape(T, rows, W).contiguous()
    out = torch.empty((rows, features), dtype=f32, device="cpu")
    _over_time(
        *at(words, torch.int64, T, rows, W), divisor, *at(out, f32, rows, features),
        work=T * out.numel(),
    )  # fmt: skip
    return out.view(*lead, features)
