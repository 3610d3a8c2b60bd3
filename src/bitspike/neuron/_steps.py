"""The cast that the neurons with a time loop of their own share."""

import torch
from torch import Tensor

from bitspike.spikes import plain


def full_precision(x: Tensor) -> Tensor:
    """Return ``x`` in float32 under autocast, where membranes keep that precision; else ``x``.

    Pass what an `autograd.Function` takes through here, see `bitspike.spikes.plain`.
    """
    x = plain(x)
    half = x.dtype in (torch.float16, torch.bfloat16)
    return x.float() if half and torch.is_autocast_enabled(x.device.type) else x
