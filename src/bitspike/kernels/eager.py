"""The reference engine: one PyTorch operation after the other, differentiated by autograd."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bitspike._seeds import seed_of

Step = Callable[..., Sequence[Tensor]]
"""One time step: ``step(x, *states) -> (y, *states)``, all ``[B, ...]``."""


def encode_poisson(x: Tensor, generator: torch.Generator | None, dtype: torch.dtype) -> Tensor:
    """Spikes with the probabilities ``x``, in its shape: 1 where a uniform number is below."""
    rand = torch.rand(x.shape, generator=generator, dtype=torch.float32, device=x.device)
    return (rand < x).to(dtype)


def encode_held(x: Tensor, T: int, seed: int, first: int) -> Tensor:
    """Spikes ``[T, B, ...]`` of samples held for T steps, each from a generator of its own."""
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    spikes = torch.empty((T, *x.shape), dtype=dtype, device=x.device)
    generator = torch.Generator(x.device)
    for b, sample in enumerate(x):
        generator.manual_seed(seed_of(seed, first + b, octets=8))
        spikes[:, b] = encode_poisson(sample.expand(T, *sample.shape), generator, dtype)
    return spikes


def scan(
    step: Step, x_seq: Tensor, states: Sequence[Tensor], store_v_seq: bool = False
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """A whole sequence.

    Args:
        step: the neuron's equations.
        x_seq: input ``[T, B, ...]``.
        states: before the first step, ``[B, ...]`` each.
        store_v_seq: True records the first state after each step.

    Returns:
        Outputs ``[T, B, ...]``, the last states, and the recorded ``[T, B, ...]`` or None.
    """
    outputs, potentials = [], []
    for x in x_seq.unbind(0):
        y, *states = step(x, *states)
        outputs.append(y)
        if store_v_seq:
            potentials.append(states[0])
    return torch.stack(outputs), tuple(states), torch.stack(potentials) if store_v_seq else None
