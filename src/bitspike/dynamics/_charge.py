"""Charge of the membrane by the input ``x``: from ``v`` to ``h``, just before the spike."""

from typing import Any

import torch


def if_charge(x: Any, v: Any) -> Any:
    """Return ``v + x``."""
    return v + x


# Dividing by tau and multiplying by 1 / tau are written out separately, for they round
# differently: a membrane exactly at the threshold would spike in one and not in the other.


def lif_charge(x: Any, v: Any, tau: Any, decay_input: bool, v_reset: float | None) -> Any:
    """Add ``x`` and leak with the time constant ``tau`` to ``v_reset``, or to 0 if that is None."""
    v_rest = 0.0 if v_reset is None else v_reset
    if decay_input:
        return v + (x - (v - v_rest)) / tau
    return v - (v - v_rest) / tau + x


def plif_charge(x: Any, v: Any, rate: Any, decay_input: bool, v_reset: float | None) -> Any:
    """Do the same as `lif_charge` with the leak rate ``1 / tau``."""
    v_rest = 0.0 if v_reset is None else v_reset
    if decay_input:
        return v + (x - (v - v_rest)) * rate
    return v - (v - v_rest) * rate + x


def cuba_charge(
    x: Any, current: Any, v: Any, current_decay: Any, voltage_decay: Any
) -> tuple[Any, Any]:
    """Charge through a synaptic current; return ``(current, h)``."""
    current = current * current_decay + x
    return current, v * voltage_decay + current


def qif_charge(x: Any, v: Any, tau: Any, a0: Any, v_rest: Any, v_c: Any) -> Any:
    """Return ``v + (x + a0 (v - v_rest)(v - v_c)) / tau``."""
    return v + (x + a0 * (v - v_rest) * (v - v_c)) / tau


def eif_charge(x: Any, v: Any, tau: Any, delta_t: Any, theta_rh: Any, v_rest: Any) -> Any:
    """Return ``v + (x + v_rest - v + delta_t exp((v - theta_rh) / delta_t)) / tau``."""
    return v + (x + v_rest - v + delta_t * torch.exp((v - theta_rh) / delta_t)) / tau


def adaptation(h: Any, w: Any, tau_w: float, a: float, v_rest: float) -> Any:
    """Return the adaptation current that follows the potential ``h``."""
    return w + (a * (h - v_rest) - w) / tau_w
