"""The stronger the input, the earlier the spike."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from bitspike.encoding._bits import real
from bitspike.encoding._stateful import StatefulEncoder

_FLOAT32_STEPS = 88  # exp(T - 1) fits into float32 up to here
_FLOAT64_STEPS = 709


class LatencyEncoder(StatefulEncoder):
    """Latency coding: one spike an element, the earlier the stronger the input.

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
        """The spike train ``[T, B, ...]``."""
        x = real(x)
        if not bool(((x >= 0) & (x <= 1)).all()):  # also true of NaN
            raise ValueError(
                f"{self._whoami()}: the input must lie in [0, 1], but its values range from "
                f"{float(x.min()):g} to {float(x.max()):g} (shape {tuple(x.shape)})"
            )
        last = self.T - 1.0
        if self.enc_function == "log":
            wide = x.double() if self.T > _FLOAT32_STEPS else x
            when = last - torch.log(self.alpha * wide + 1.0)
        else:
            when = last * (1.0 - x)
        return F.one_hot(when.round().long(), self.T).movedim(-1, 0).to(x.dtype)

    def extra_repr(self) -> str:
        """Shown by ``repr(net)``."""
        return f"{super().extra_repr()}, enc_function={self.enc_function!r}"
