"""Spikes are bits: a tensor of 0 and 1 in 1/32 of the memory of float32.

``SpikeTensor`` is a ``torch.Tensor``: code need not know that it exists, ``net(x).mean(0)`` just
works. Code that does know has `pack`, ``s.dense()``, ``s.count()``, ``s.rate()``, ``s.words``, and
`trace_unpacking`, which tells what left the fast path.
"""

import torch

from bitspike.spikes import _copies, _logic, _sums, _views  # noqa: F401 -- register what stays on bits
from bitspike.spikes._bytes import (
    bit_pack_spike_dense,
    bit_spike_compress,
    bit_spike_decompress,
    packed_spike_linear,
    sparse_linear,
)
from bitspike.spikes._layouts import ActivePixels, Permuted, Rows, as_channels_last, channels_last
from bitspike.spikes._sums import count_over_time
from bitspike.spikes._tensor import SpikeTensor, dense, pack, rebuild, trace_unpacking
from bitspike.spikes._words import own, pack_bits, popcount, reorder_bits, unpack_bits, word_count
from bitspike.spikes._written import plain

torch.serialization.add_safe_globals([rebuild])

__all__ = [
    "ActivePixels",
    "Permuted",
    "Rows",
    "SpikeTensor",
    "as_channels_last",
    "bit_pack_spike_dense",
    "bit_spike_compress",
    "bit_spike_decompress",
    "channels_last",
    "count_over_time",
    "dense",
    "own",
    "pack",
    "pack_bits",
    "packed_spike_linear",
    "plain",
    "popcount",
    "reorder_bits",
    "sparse_linear",
    "trace_unpacking",
    "unpack_bits",
    "word_count",
]
