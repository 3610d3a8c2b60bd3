"""What modules call: every operation of the engine, on the backend that is to run it."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.kernels import _dispatch, eager
from bitspike.kernels._neuron import Neuron
from bitspike.spikes import SpikeTensor, _operations
from bitspike.spikes._tensor import functions


def scan(
    x_seq: Tensor, v: Tensor, neuron: Neuron, store_v_seq: bool = False, backend: str = "auto"
) -> tuple[Tensor, Tensor, Tensor | None]:
    """A neuron's whole sequence; see `bitspike.kernels.eager.scan`."""
    if isinstance(x_seq, SpikeTensor):
        x_seq = x_seq.dense()

    def obstacle() -> str | None:
        from bitspike.kernels.numba import neuron as fast

        return fast.supports(x_seq, neuron)

    if _dispatch.choose(backend, obstacle) == "eager":
        return eager.scan(x_seq, v, neuron, store_v_seq)
    from bitspike.kernels.numba import neuron as fast

    return fast.scan(x_seq, v, neuron, store_v_seq)


def encode_poisson(
    x: Tensor, generator: torch.Generator | None, dtype: torch.dtype, backend: str = "auto"
) -> Tensor:
    """Spikes with the probabilities ``x``, in its shape."""

    def obstacle() -> str | None:
        from bitspike.kernels.numba import poisson

        return poisson.supports(x)

    if _dispatch.choose(backend, obstacle) == "eager":
        return eager.encode_poisson(x, generator, dtype)
    from bitspike.kernels.numba import poisson

    return poisson.encode(x, generator)


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``F.linear`` of spikes."""

    def obstacle() -> str | None:
        if not isinstance(x, SpikeTensor) or isinstance(weight, SpikeTensor):
            return "only the input of a linear layer may be spikes"
        from bitspike.kernels.numba import linear

        return linear.supports(x, weight)

    if _dispatch.choose("auto", obstacle) == "eager":
        return NotImplemented
    from bitspike.kernels.numba import linear

    if not torch.is_autocast_enabled("cpu"):
        return linear.linear(x, weight, bias)
    # What autocast means: operands and result in the low precision. Sums are in float32.
    low = torch.get_autocast_dtype("cpu")
    operands = (weight, bias)
    weight, bias = (None if t is None else t.to(low).to(x.dtype) for t in operands)
    return linear.linear(x, weight, bias).to(low)


def _count_over_time(words: Tensor, features: int) -> Tensor:
    if _dispatch.choose("auto", lambda: None) == "eager":
        return _operations.count_over_time(words, features)
    from bitspike.kernels.numba import linear

    return linear.count_over_time(words, features)


functions[F.linear] = _linear
_operations.fast_counter = _count_over_time
