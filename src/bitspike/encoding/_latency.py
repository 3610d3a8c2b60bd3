"""Latency coding: the stronger the input, the earlier the spike."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.encoding._base import StatefulEncoder, as_bits, real

_FLOAT32_STEPS = 88  # exp(T - 1) fits into float32 up to here
_FLOAT64_STEPS = 709


class LatencyEncoder(StatefulEncoder):
    """Latency coding: one spike for each element, the earlier the stronger the input.

    The spike comes at the step

    - ``round((T - 1) (1 - x))`` with ``'linear'``,
    - ``round(T - 1 - ln(alpha x + 1))``, ``alpha = exp(T - 1) - 1``, with ``'log'``.

    So 1 spikes at once and 0 at the last step. The input is read once, see `StatefulEncoder`.

    Args:
        T: length of the spike train in time steps; with ``'log'`` 709 at most.
        enc_function: ``'linear'`` or ``'log'``.
        step_mode: ``'s'`` or ``'m'``.

    Shape: input ``[B, ...]`` in [0, 1] (multi-step ``[T', B, ...]``); output the same, 0 and 1.

    Raises:
        ValueError: for another ``enc_function``, or an input outside [0, 1].
    """

    def __init__(self, T: int, enc_function: str = "linear", step_mode: str = "s") -> None:
        super().__init__(T, step_mode)
        if enc_function not in ("linear", "log"):
            raise ValueError(
                f"LatencyEncoder: enc_function must be 'linear' or 'log', but got {enc_function!r}"
            )
        if enc_function == "log":
            if T > _FLOAT64_STEPS:
                raise ValueError(
                    f"LatencyEncoder: exp(T - 1) overflows with T={T}; 'log' takes "
                    f"{_FLOAT64_STEPS} steps at most"
                )
            self.alpha = math.exp(T - 1.0) - 1.0
        self.enc_function = enc_function

    def single_step_encode(self, x: Tensor) -> Tensor:
        """Return the spike train ``[T, B, ...]``."""
        x = real(x)
        self._check_range(x, 1.0, "the input must lie in [0, 1]")
        last = self.T - 1.0
        if self.enc_function == "log":
            wide = x.double() if self.T > _FLOAT32_STEPS else x
            when = last - torch.log(self.alpha * wide + 1.0)
        else:
            when = last * (1.0 - x)
        return F.one_hot(when.round().long(), self.T).movedim(-1, 0).to(x.dtype)

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return f"{super().extra_repr()}, enc_function={self.enc_function!r}"


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
    """Encode each element as one spike: when a membrane that it charges reaches the threshold.

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
        above = x.clamp_min(threshold + 1e-7)
        when = tau * torch.log(above / (above - threshold))
        if first > 0:
            when = when - when.min() + first
        if normalize and bool(when.max() > first):
            when = (when - first) * (last - first) / (when - first).max() + first
    steps = torch.arange(num_steps, device=x.device).reshape(-1, *(1 for _ in x.shape))
    spikes = (when.round() == steps).to(x.dtype)
    return as_bits(spikes * (x >= threshold) if clip else spikes, "auto")
