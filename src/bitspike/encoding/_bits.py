"""Spikes as bits, where the backend makes bits."""

import torch
from torch import Tensor

from bitspike.kernels import _dispatch
from bitspike.spikes import pack


def real(x: Tensor) -> Tensor:
    """``x`` as a floating-point tensor; integers and bool come in the default dtype."""
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def as_bits(spikes: Tensor, backend: str) -> Tensor:
    """Spikes ``[T, B, ...]`` stored as bits where ``backend`` is one that makes them."""

    def obstacle() -> str | None:
        if spikes.device.type != "cpu":
            return f"it makes bits on the CPU, but the spikes are on {spikes.device}"
        return None

    return spikes if _dispatch.choose(backend, obstacle) == "eager" else pack(spikes)
