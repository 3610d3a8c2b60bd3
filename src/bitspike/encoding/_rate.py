"""Rate coding as a function."""

import torch
from torch import Tensor

from bitspike.encoding._bits import real
from bitspike.encoding._poisson import PoissonEncoder
from bitspike.layer import delay


def rate(
    data: Tensor,
    num_steps: int | None = None,
    gain: float = 1.0,
    offset: float = 0.0,
    first_spike_time: int = 0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Random spikes with the probabilities ``gain X + offset``, cut to [0, 1].

    `PoissonEncoder` for a whole sequence, as snnTorch's ``spikegen.rate``.

    Args:
        data: an input ``[B, ...]`` that is held, or a sequence ``[T, B, ...]``.
        num_steps: time steps T for which an input is held; None says that ``data`` is a sequence.
        gain: factor of the input.
        offset: added after that.
        first_spike_time: the spikes come this many time steps later, and T stays.
        generator: source of randomness; None is torch's global one.

    Returns:
        0 and 1, ``[T, B, ...]``, bits where the backend makes them.

    Raises:
        ValueError: if there is no time step, or ``first_spike_time`` not within the sequence.
    """
    T = data.shape[0] if num_steps is None and data.ndim else num_steps
    if T is None or T < 1 or not 0 <= first_spike_time < T:
        raise ValueError(
            "rate: the sequence needs a time step or more, and the first spike must be in it, "
            f"but got num_steps={num_steps}, first_spike_time={first_spike_time} and data of shape "
            f"{tuple(data.shape)}"
        )
    x = (gain * real(data) + offset).clamp(0, 1)
    x_seq = x if num_steps is None else x.expand(T, *x.shape)
    return delay(PoissonEncoder("m", generator)(x_seq), first_spike_time)
