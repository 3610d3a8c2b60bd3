"""The reference engine: one PyTorch operation after the other, differentiated by autograd."""

import torch
from torch import Tensor

from bitspike.kernels._neuron import Neuron


def step(x: Tensor, v: Tensor, neuron: Neuron) -> tuple[Tensor, Tensor]:
    """One time step.

    Args:
        x: input ``[B, ...]``.
        v: membrane potential after the last step, ``[B, ...]``.
        neuron: the equations.

    Returns:
        Spikes and the membrane potential after the reset, both ``[B, ...]``.
    """
    h = neuron.charge.h(v, x, neuron.p, neuron.v_rest)
    s = neuron.surrogate(h - neuron.v_threshold)
    s_reset = s.detach() if neuron.detach_reset else s
    return s, neuron.reset.v(h, s_reset, neuron.q)


def encode_poisson(x: Tensor, generator: torch.Generator | None, dtype: torch.dtype) -> Tensor:
    """Spikes with the probabilities ``x``, in its shape: 1 where a uniform number is below."""
    rand = torch.rand(x.shape, generator=generator, dtype=torch.float32, device=x.device)
    return (rand < x).to(dtype)


def scan(
    x_seq: Tensor, v: Tensor, neuron: Neuron, store_v_seq: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """A whole sequence.

    Args:
        x_seq: input ``[T, B, ...]``.
        v: membrane potential before the first step, ``[B, ...]``.
        neuron: the equations.
        store_v_seq: True records the membrane potential after each step's reset.

    Returns:
        Spikes ``[T, B, ...]``, the last membrane potential ``[B, ...]``, and the recorded
        potentials ``[T, B, ...]`` or None.
    """
    spikes, potentials = [], []
    for x in x_seq.unbind(0):
        s, v = step(x, v, neuron)
        spikes.append(s)
        if store_v_seq:
            potentials.append(v)
    return torch.stack(spikes), v, torch.stack(potentials) if store_v_seq else None
