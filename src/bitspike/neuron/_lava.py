"""One step of the current-based leaky neuron in the fixed-point arithmetic of Intel's Lava."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bitspike import dynamics
from bitspike.spikes import plain

_ONE = 4096
"""The decay that clears a state: Loihi counts decays in 12 bits."""


class _Leak(torch.autograd.Function):
    """``state (1 - decay / 4096) + x``, in integers of ``1 / scale``, cut towards 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, decay: Tensor, state: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(decay, state)
        kept = (state * scale).long() * (_ONE - decay.long())
        total = torch.div(kept, _ONE, rounding_mode="trunc") + (scale * x).long()
        return total.to(x.dtype) / scale

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        decay, state = ctx.saved_tensors
        of_decay = (-state / _ONE * grad).sum_to_size(decay.shape)
        return grad, of_decay, (1 - decay / _ONE) * grad, None


class _Round(torch.autograd.Function):
    """Round to the nearest integer, with the gradient of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.round()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad


def lava_cuba_lif_step(
    x: Tensor,
    current_state: Tensor,
    voltage_state: Tensor,
    current_decay: Tensor,
    voltage_decay: Tensor,
    s_scale: float,
    v_threshold: float,
    v_threshold_eps: float,
    v_reset: float,
    surrogate_function: Callable[[Tensor], Tensor],
    detach_reset: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run one step of a current-based leaky neuron as Lava and its chip Loihi compute it.

    ::

        C[t] = C[t-1] (1 - current_decay / 4096) + X[t]
        H[t] = V[t-1] (1 - voltage_decay / 4096) + C[t]
        S[t] = Theta(H[t] - v_threshold - v_threshold_eps)
        V[t] = H (1 - S) + v_reset S

    C, H and X are multiples of ``1 / s_scale``: in such units they are integers, and fractions
    of a unit are cut off towards 0. The gradient is that of real numbers.

    Args:
        x: input ``[B, ...]``.
        current_state: current after the last step, ``[B, ...]``.
        voltage_state: potential after the last step, ``[B, ...]``.
        current_decay: leak of the current, in 1/4096; rounded to an integer.
        voltage_decay: leak of the potential, in 1/4096; rounded to an integer.
        s_scale: number of units in 1.
        v_threshold: threshold.
        v_threshold_eps: added to the threshold where it is compared.
        v_reset: potential after a spike; None subtracts the threshold instead.
        surrogate_function: spike function.
        detach_reset: True keeps the gradient from flowing through the spike of the reset.

    Returns:
        Spikes, current and potential, all ``[B, ...]``.
    """
    decays: list[Tensor] = [
        _Round.apply(decay)  # type: ignore[no-untyped-call]
        for decay in (current_decay, voltage_decay)
    ]
    current: Tensor = _Leak.apply(plain(x), decays[0], current_state, s_scale)  # type: ignore[no-untyped-call]
    h: Tensor = _Leak.apply(current, decays[1], voltage_state, s_scale)  # type: ignore[no-untyped-call]
    spike = surrogate_function(h - (v_threshold + v_threshold_eps))
    return spike, current, dynamics.voltage_reset(h, spike, v_threshold, v_reset, detach_reset)
