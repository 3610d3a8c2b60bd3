"""The reference engine: one PyTorch operation after the other, differentiated by autograd."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Step = Callable[..., Sequence[Tensor]]
"""One time step: ``step(x, *states) -> (y, *states)``, all ``[B, ...]``."""


def scan(
    step: Step, x_seq: Tensor, states: Sequence[Tensor], store_v_seq: bool = False
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """Run a step over a whole sequence.

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
