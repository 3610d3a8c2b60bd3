"""Stand-ins and dense forms of tensors, for layers with state."""

import torch
from torch import Tensor

from bitspike.spikes import SpikeTensor


def shaped(x: Tensor, *shape: int) -> Tensor:
    """Return a stand-in of another shape with the dtype and device of ``x``, without memory.

    `MemoryModule.memory_like` takes it where a state is not shaped like the input.
    """
    return torch.empty((), dtype=x.dtype, device=x.device).expand(shape)


def dense(x: Tensor) -> Tensor:
    """Return ``x``, unpacked once where arithmetic would unpack it at each use."""
    return x.dense() if isinstance(x, SpikeTensor) else x
