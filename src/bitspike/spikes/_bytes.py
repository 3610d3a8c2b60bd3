"""Spikes as bytes, eight to each, as SpikingJelly stores them, and linear layers on them.

A `SpikeTensor` holds bits behind the interface of a tensor; these functions are for programs that
handle the bytes themselves. The first of eight values is in the lowest bit.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.spikes._layouts import Rows
from bitspike.spikes._tensor import SpikeTensor, dense, pack
from bitspike.spikes._words import pack_bits, unpack_bits, word_count
from bitspike.spikes._written import plain


def _to_bytes(spikes: Tensor) -> Tensor:
    """Return ``[..., ceil(K / 8)]`` from ``[..., K]``."""
    octets = pack_bits(spikes).view(torch.uint8)
    return octets[..., : -(-spikes.shape[-1] // 8)].contiguous()


def _to_words(packed: Tensor, features: int) -> Tensor:
    """Return the words of a `SpikeTensor` from bytes; bits beyond the last feature become zero."""
    octets = F.pad(packed, (0, 8 * word_count(features) - packed.shape[-1])).contiguous()
    if features % 8:
        octets[..., features // 8] &= (1 << features % 8) - 1
    return octets.view(torch.int64)


def bit_spike_compress(spike: Tensor) -> Tensor:
    """Pack a tensor, flattened, eight values to a byte.

    Args:
        spike: any shape and dtype; every value but 0 counts as 1.

    Returns:
        uint8, ``[ceil(numel / 8)]``; the bits beyond the last value are 0.
    """
    return _to_bytes(dense(spike).detach().reshape(-1))


def bit_spike_decompress(
    packed: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.uint8
) -> Tensor:
    """Unpack the result of `bit_spike_compress`.

    Args:
        packed: uint8, ``[ceil(numel / 8)]``.
        shape: shape of the result.
        dtype: dtype of the result.

    Returns:
        Values 0 and 1.

    Raises:
        ValueError: if ``packed`` is not of this kind or its length is not that of ``shape``.
    """
    size = math.prod(shape)
    if packed.dtype != torch.uint8 or packed.ndim != 1 or any(n < 0 for n in shape):
        raise ValueError(
            "bit_spike_decompress: packed spikes are a uint8 tensor with one dimension, but got "
            f"{packed.dtype} of shape {tuple(packed.shape)} for the shape {tuple(shape)}"
        )
    if packed.numel() != -(-size // 8):
        raise ValueError(
            f"bit_spike_decompress: the shape {tuple(shape)} takes {-(-size // 8)} bytes, but "
            f"{packed.numel()} were given"
        )
    return unpack_bits(_to_words(packed, size), size, dtype).reshape(shape)


def bit_pack_spike_dense(spike: Tensor) -> Tensor:
    """Pack each row of a matrix of spikes, eight features to a byte, for `packed_spike_linear`.

    Args:
        spike: ``[M, K]``; a value above 0.5 counts as 1.

    Returns:
        uint8, ``[M, ceil(K / 8)]``.

    Raises:
        ValueError: if ``spike`` is not a matrix.
    """
    _check_matrix(spike, "bit_pack_spike_dense")
    return _to_bytes(dense(spike).detach() > 0.5)


def packed_spike_linear(packed: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Run a linear layer on the rows of `bit_pack_spike_dense`, with gradients of its parameters.

    Args:
        packed: uint8, ``[M, ceil(K / 8)]``.
        weight: ``[N, K]``.
        bias: ``[N]`` or None.

    Returns:
        ``[M, N]``.

    Raises:
        ValueError: if ``packed`` is not of this kind or its width is not that of ``weight``.
    """
    _check_matrix(packed, "packed_spike_linear")
    K = weight.shape[1]
    if packed.dtype != torch.uint8 or packed.shape[1] != -(-K // 8):
        raise ValueError(
            f"packed_spike_linear: a weight of shape {tuple(weight.shape)} takes packed spikes "
            f"[M, {-(-K // 8)}] in uint8, but got {packed.dtype} of shape {tuple(packed.shape)}"
        )
    return F.linear(SpikeTensor(Rows(_to_words(packed, K), (K,)), weight.dtype), weight, bias)


def sparse_linear(
    spike: Tensor, weight: Tensor, bias: Tensor | None = None, strategy: str = "torch"
) -> Tensor:
    """Run a linear layer on a matrix of spikes.

    Args:
        spike: ``[M, K]``.
        weight: ``[N, K]``.
        bias: ``[N]`` or None.
        strategy: ``'torch'`` multiplies matrices. ``'sparse'`` takes a value above 0.5 as a spike
            and works on bits, with an event-driven kernel where the backend has one.

    Returns:
        ``[M, N]``. Gradients reach all three.

    Raises:
        ValueError: for another strategy, or if ``spike`` is not a matrix with ``'sparse'``.
    """
    if strategy not in ("torch", "sparse"):
        raise ValueError(f"strategy must be 'torch' or 'sparse', but got {strategy!r}")
    if strategy == "sparse":
        _check_matrix(spike, "sparse_linear")
        spike = _Threshold.apply(plain(spike))  # type: ignore[no-untyped-call]
    return F.linear(spike, weight, bias)


class _Threshold(torch.autograd.Function):
    """Packs spikes; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx: Any, spike: Tensor) -> Tensor:  # noqa: ARG004
        return pack((spike > 0.5).to(spike.dtype), lead=1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad


def _check_matrix(x: Tensor, function: str) -> None:
    if x.ndim != 2:
        raise ValueError(f"{function}: the spikes must be a matrix, but got shape {tuple(x.shape)}")
