"""Poisson encoding: spikes with given probabilities."""

import torch
from torch import Tensor

from bitspike import dispatch
from bitspike.kernels.runtime.memory import without_negative_bit


def encode_poisson(
    x: Tensor,
    generator: torch.Generator | None,
    dtype: torch.dtype,
    backend: str = "auto",
    one_step: bool = False,
) -> Tensor:
    """Return spikes with the probabilities ``x``, in its shape.

    Args:
        x: ``[T, B, ...]``, or ``[B, ...]`` for ``one_step``, whose spikes are a dense tensor.
        generator: source of randomness; None is torch's own.
        dtype: of the spikes, if ``x`` is not of a floating one.
        backend: one of `bitspike.dispatch.BACKENDS`.
        one_step: whether ``x`` has no time axis.

    Raises:
        ValueError: if a value of ``x`` is no probability.
    """
    if torch.compiler.is_compiling():
        return operator.traced_encode(x, generator, dtype, backend, one_step)
    x = without_negative_bit(x)
    spikes: Tensor = dispatch.choose("poisson", x, backend=backend).encode(
        x, generator, dtype, one_step
    )
    return spikes


def encode_held(x: Tensor, T: int, seed: int, first: int, backend: str = "auto") -> Tensor:
    """Return Poisson spikes ``[T, B, ...]`` of samples ``x`` ``[B, ...]`` that are shown T steps.

    They depend on the seed, on each sample's values and on its number, which counts from ``first``
    on, and on nothing else.

    Raises:
        ValueError: if a value of ``x`` is no probability.
    """
    if torch.compiler.is_compiling():
        return operator.traced_encode_held(x, T, seed, first, backend)
    x = without_negative_bit(x)
    spikes: Tensor = dispatch.choose("poisson", x, backend=backend).encode_held(x, T, seed, first)
    return spikes


from bitspike.kernels.poisson import operator  # noqa: E402 -- which calls these functions
