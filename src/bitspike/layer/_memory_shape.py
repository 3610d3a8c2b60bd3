"""Stand-ins for tensors, for layers with state."""

import torch
from torch import Tensor


def shaped(x: Tensor, *shape: int) -> Tensor:
    """Return a stand-in of another shape with the dtype and device of ``x``, without memory.

    `MemoryModule.memory_like` takes it where a state is not shaped like the input.
    """
    return torch.empty((), dtype=x.dtype, device=x.device).expand(shape)
