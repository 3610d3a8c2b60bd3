"""Linear layers on spikes."""

import math
from typing import Any

import torch
from torch import Tensor

from bitspike import dispatch
from bitspike.spikes import SpikeTensor, dense


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return ``F.linear`` of spikes; NotImplemented where torch has to unpack them."""
    if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        return NotImplemented  # torch computes, or says what does not fit
    kernels = dispatch.choose("linear", x, weight, bias)
    if kernels is None:
        return NotImplemented
    if not torch.is_autocast_enabled("cpu"):
        return kernels.linear(x, weight, bias)
    # Autocast rounds operands and result to the low precision; sums are in float32.
    low = torch.get_autocast_dtype("cpu")
    operands = (weight, bias)
    weight, bias = (None if t is None else t.to(low).to(x.dtype) for t in operands)
    return kernels.linear(x, weight, bias).to(low)


def weight_gradient(x: Tensor, grad: Tensor, backend: str = "auto") -> Tensor:
    """Return a linear layer's weight gradient: the sum of ``grad`` times ``x`` over samples.

    Args:
        x: input of the layer, ``[..., I]``; spikes are added up one by one.
        grad: gradient of its output, ``[..., O]``.
        backend: one of `bitspike.dispatch.BACKENDS`.

    Returns:
        ``[O, I]``.
    """
    spikes = isinstance(x, SpikeTensor)
    kernels = dispatch.choose("linear", x, grad, backend=backend) if spikes else None
    if kernels is None:
        rows = math.prod(x.shape[:-1])  # -1 cannot be inferred from an empty axis
        return grad.reshape(rows, grad.shape[-1]).t() @ dense(x).reshape(rows, x.shape[-1])
    gradient: Tensor = kernels.weight_gradient(x, grad)
    return gradient
