"""Spikes as bits, where the backend makes bits."""

from typing import Any

import torch
from torch import Tensor

from bitspike import dispatch
from bitspike.spikes import pack


def real(x: Tensor) -> Tensor:
    """``x`` as a floating-point tensor; integers and bool come in the default dtype."""
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def as_bits(spikes: Tensor, backend: str) -> Tensor:
    """Spikes ``[T, B, ...]`` stored as bits where ``backend`` is one that makes them."""
    if dispatch.choose("bits", spikes.device, backend=backend) is None:
        return spikes
    packed: Tensor = _Packed.apply(spikes)  # type: ignore[no-untyped-call]
    return packed


class _Packed(torch.autograd.Function):
    """The same spikes, stored as bits."""

    @staticmethod
    def forward(ctx: Any, spikes: Tensor) -> Tensor:  # noqa: ARG004
        return pack(spikes)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad
