"""Poisson encoding as operators that return words of spikes."""

import math
from typing import Any

import torch
from torch import Tensor

from bitspike.kernels import poisson
from bitspike.kernels.bits.operator import unpack
from bitspike.kernels.runtime.operator import operator
from bitspike.spikes import Rows, SpikeTensor, word_count


def _words_of(spikes: Tensor) -> Tensor:
    rows = spikes if isinstance(spikes, SpikeTensor) else SpikeTensor(Rows.pack(spikes, 2))
    return rows.words


def _poisson(x: Tensor, steps: int, backend: str) -> Tensor:
    """Encode a sequence ``[T, B, ...]``, or ``[B, ...]`` in each of ``steps`` steps."""
    x_seq = x.expand(steps, *x.shape) if steps else x
    return _words_of(poisson.encode_poisson(x_seq, None, torch.float32, backend))


def _fake(x: Tensor, steps: int, *_: Any) -> Tensor:
    lead, features = ((steps, len(x)), x.shape[1:]) if steps else (x.shape[:2], x.shape[2:])
    return x.new_empty((*lead, word_count(math.prod(features))), dtype=torch.int64)


def _poisson_held(x: Tensor, steps: int, seed: int, first: int, backend: str) -> Tensor:
    return _words_of(poisson.encode_held(x, steps, seed, first, backend))


poisson_operator = operator(
    _poisson,
    _fake,
    "poisson",
    differentiable=False,
    tags=[torch.Tag.nondeterministic_seeded],
)
poisson_held_operator = operator(_poisson_held, _fake, "poisson_held", differentiable=False)


def traced_encode(
    x: Tensor, generator: torch.Generator | None, dtype: torch.dtype, backend: str, one_step: bool
) -> Tensor:
    """Run `bitspike.kernels.encode_poisson` while Dynamo traces it: the same random numbers.

    Raises:
        RuntimeError: for a generator of one's own, which no operator can take.
    """
    if generator is not None:
        raise RuntimeError(
            "PoissonEncoder: torch.compile cannot draw from a generator; leave it out, and seed "
            "with torch.manual_seed, or encode outside of what is compiled"
        )
    dtype = x.dtype if x.is_floating_point() else dtype
    x_seq = x.unsqueeze(0) if one_step else x
    held = x_seq.ndim >= 3 and len(x_seq) > 1 and x_seq.stride(0) == 0
    steps = len(x_seq) if held else 0
    words = poisson_operator(x_seq[0] if held else x_seq, steps, backend)
    spikes: Tensor = unpack(words, math.prod(x_seq.shape[2:]), dtype).view(x_seq.shape)
    return spikes[0] if one_step else spikes


def traced_encode_held(x: Tensor, T: int, seed: int, first: int, backend: str) -> Tensor:
    """Run `bitspike.kernels.encode_held` while Dynamo traces it."""
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    words = poisson_held_operator(x, T, seed, first, backend)
    spikes: Tensor = unpack(words, math.prod(x.shape[1:]), dtype).view(T, *x.shape)
    return spikes
