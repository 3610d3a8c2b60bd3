"""Spikes are bits: a tensor of 0 and 1 in 1/32 of the memory of float32.

``SpikeTensor`` is a ``torch.Tensor``: nobody must know that it exists, ``net(x).mean(0)`` just
works. Those who do know find `pack`, ``s.dense()``, ``s.count()``, ``s.rate()``, ``s.words``, and
`trace_unpacking`, which tells what left the fast path.
"""

import torch

from bitspike.spikes import _copies, _logic, _views  # noqa: F401 -- register what stays on bits
from bitspike.spikes._layouts import ActivePixels, Permuted, Rows, as_channels_last, channels_last
from bitspike.spikes._tensor import SpikeTensor, pack, rebuild, trace_unpacking
from bitspike.spikes._words import own, pack_bits, popcount, unpack_bits, word_count
from bitspike.spikes._written import plain

torch.serialization.add_safe_globals([rebuild])

__all__ = [
    "ActivePixels",
    "Permuted",
    "Rows",
    "SpikeTensor",
    "as_channels_last",
    "channels_last",
    "own",
    "pack",
    "pack_bits",
    "plain",
    "popcount",
    "trace_unpacking",
    "unpack_bits",
    "word_count",
]
