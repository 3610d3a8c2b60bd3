"""What the layers with state need to ask for it."""

import torch
from torch import Tensor

from bitspike.spikes import SpikeTensor


def shaped(x: Tensor, *shape: int) -> Tensor:
    """Stands for a tensor of another shape, of the dtype and on the device of ``x``.

    It is what `MemoryModule.memory_like` wants where a memory is not shaped like the input. It
    takes no memory and has no content.
    """
    return torch.empty((), dtype=x.dtype, device=x.device).expand(shape)


def dense(x: Tensor) -> Tensor:
    """``x``, unpacked once where the arithmetic to come would unpack it at each use."""
    return x.dense() if isinstance(x, SpikeTensor) else x
