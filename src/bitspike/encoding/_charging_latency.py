"""Latency coding as a function: when a charging membrane reaches its threshold."""

import torch
from torch import Tensor

from bitspike.encoding._bits import as_bits, real

_JUST_ABOVE = 1e-7


def latency(
    data: Tensor,
    num_steps: int,
    threshold: float = 0.01,
    tau: float = 1.0,
    first_spike_time: int = 0,
    clip: bool = False,
    normalize: bool = False,
    linear: bool = False,
) -> Tensor:
    """One spike an element, when a membrane that the input charges would reach the threshold.

    ``t = tau ln(X / (X - threshold))``, or ``t = tau (1 - X)`` with ``linear=True``, rounded to a
    time step; inputs at or below the threshold spike last. As snnTorch's ``spikegen.latency``;
    see `LatencyEncoder` for SpikingJelly's.

    Args:
        data: ``[B, ...]``, 0 or more; at most 1 with ``linear=True`` unless ``normalize=True``.
        num_steps: time steps T; later spikes are lost.
        threshold: threshold of the membrane, between 0 and 1.
        tau: time constant in time steps.
        first_spike_time: the time step of the earliest spike, if above 0.
        clip: True leaves out the spikes of inputs below the threshold.
        normalize: True stretches the times so that the last spike comes at the last step.
        linear: True is the linear code.

    Returns:
        0 and 1, ``[T, B, ...]``, bits where the backend makes them.

    Raises:
        ValueError: for an argument or an input out of its range.
    """
    if not (0 < threshold < 1 and tau > 0 and 0 <= first_spike_time < num_steps):
        raise ValueError(
            "latency: needs 0 < threshold < 1, tau > 0 and 0 <= first_spike_time < num_steps, but "
            f"got threshold={threshold}, tau={tau}, first_spike_time={first_spike_time}, "
            f"num_steps={num_steps}"
        )
    x = real(data)
    if not bool((x >= 0).all()) or (linear and not normalize and bool((x > 1).any())):
        most = "1" if linear and not normalize else "infinity"
        raise ValueError(f"latency: the input must lie between 0 and {most} and not be NaN")
    if x.numel() == 0:
        return x.new_zeros(num_steps, *x.shape)
    last, first = num_steps - 1, first_spike_time
    if linear:
        when = (last - first if normalize else tau) * (1 - x.clamp_min(threshold)) + first
        if normalize and bool(when.min() < 0):
            when = (when - when.min()) * last / (when.max() - when.min())
    else:
        above = x.clamp_min(threshold + _JUST_ABOVE)
        when = tau * torch.log(above / (above - threshold))
        if first > 0:
            when = when - when.min() + first
        if normalize and bool(when.max() > first):
            when = (when - first) * (last - first) / (when - first).max() + first
    steps = torch.arange(num_steps, device=x.device).reshape(-1, *(1 for _ in x.shape))
    spikes = (when.round() == steps).to(x.dtype)
    return as_bits(spikes * (x >= threshold) if clip else spikes, "auto")
