"""Poisson encoding straight into bits."""

import math

import numpy as np
import torch
from torch import Tensor

from bitspike.kernels.poisson import numba_kernels as kernels
from bitspike.kernels.poisson import reference
from bitspike.kernels.poisson.reference import check_probabilities
from bitspike.kernels.runtime.addresses import at
from bitspike.kernels.runtime.buffers import pool
from bitspike.kernels.runtime.numba_kernel import Kernel
from bitspike.kernels.runtime.tensors import unreadable
from bitspike.spikes import SpikeTensor
from bitspike.spikes._layouts import STEPS, ActivePixels, Rows

_encode = Kernel(
    kernels.encode,
    arrays={
        "x": (np.float32, 2), "index": (np.int32, 2), "count": (np.int32, 1),
        "units": (np.uint64, 3),
    },
)  # fmt: skip


_encode_steps = Kernel(kernels.encode_steps, arrays={"x": (np.float32, 3), "out": (np.float32, 3)})


def unsupported(x_seq: Tensor) -> str | None:
    """Why this backend cannot encode ``x_seq`` into bits; None if it can."""
    why = unreadable(x_seq)
    if why is not None:
        return why
    if x_seq.device.type != "cpu":
        return f"the input is on {x_seq.device}"
    if x_seq.dtype != torch.float32:
        return f"the input is {x_seq.dtype}"
    return None


def encode_constant(x: Tensor, T: int, seed: int, first_sample: int = 0) -> ActivePixels:
    """T steps of Poisson spikes of the images ``x``.

    Args:
        x: float32 ``[B, ...]`` in [0, 1].
        T: number of steps.
        seed: any integer below 2**63.
        first_sample: number of the first image: a batch cut in two gives the same spikes.

    Returns:
        Spikes that depend, each, on the seed and the number and value of its sample, pixel and
        step: not on the other pixels, nor on T, nor on the number of threads.

    Raises:
        ValueError: if a value of ``x`` is no probability.
    """
    features = tuple(x.shape[1:])
    B, pixels = len(x), math.prod(features)
    rows, listed = x.reshape(B, pixels).contiguous(), pixels + STEPS - 1
    size = (B, -(-pixels // STEPS), 4 * -(-T // 64))
    index = pool.empty((B, listed), torch.int32)
    count = torch.empty(B, dtype=torch.int32, device="cpu")
    units = pool.empty(size, torch.int64)
    wrong = _encode(
        *at(rows, torch.float32, B, pixels), np.uint64(seed), first_sample, T,
        *at(index, torch.int32, B, listed), *at(count, torch.int32, B),
        *at(units, torch.int64, *size),
        work=B * pixels * (1 + T / 64),
    )  # fmt: skip
    if wrong:
        check_probabilities(x)
    return ActivePixels(index, count, units, T, features)


def encode_held(x: Tensor, T: int, seed: int, first: int) -> Tensor:
    """Return T steps of Poisson spikes of the images ``x``; see `encode_constant`."""
    if x.numel() == 0:
        return reference.encode_held(x, T, seed, first)
    return SpikeTensor(encode_constant(x, T, seed % 2**63, first), x.dtype)


def encode(
    x: Tensor,
    generator: torch.Generator | None,
    dtype: torch.dtype,  # noqa: ARG001
    one_step: bool = False,
) -> Tensor:
    """Return spikes with the probabilities ``x``, ``[T, B, ...]`` or one step ``[B, ...]``.

    An image that is shown in every step (``img.expand(T, *img.shape)``) has its own kernel. The
    spikes of one step are a dense tensor.

    Raises:
        ValueError: if a value of ``x`` is no probability.
    """
    if one_step:
        return _draw(x.unsqueeze(0), generator).squeeze(0)
    if x.ndim >= 3 and x.stride(0) == 0 and x.numel() > 0:
        return SpikeTensor(encode_constant(x[0], len(x), _seed(generator)), x.dtype)
    return SpikeTensor(Rows.pack(_draw(x, generator), 2), x.dtype)


def _draw(x_seq: Tensor, generator: torch.Generator | None) -> Tensor:
    """Spikes as a dense tensor; each depends on a seed and the numbers of its step and place."""
    out = pool.empty(tuple(x_seq.shape), torch.float32)
    if x_seq.numel() == 0:
        return out
    T, B = len(x_seq), x_seq.shape[1] if x_seq.ndim > 1 else 1
    size = T, B, x_seq.numel() // (T * B)
    f32, x = torch.float32, x_seq.reshape(size).contiguous()
    wrong = _encode_steps(
        *at(x, f32, *size), np.uint64(_seed(generator)), *at(out.view(size), f32, *size),
        work=x.numel(),
    )  # fmt: skip
    if wrong:
        check_probabilities(x_seq)
    return out


def _seed(generator: torch.Generator | None) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(2**62, (), generator=generator, device=device))
