"""One time step of each elementwise neuron: input and states to output and states.

The functions take what SpikingJelly's functions of the same names take. ``x`` is the input of one
step, ``[B, ...]``, the states are shaped like it; ``v_threshold``, ``v_reset`` (None: soft reset),
``surrogate_function`` and ``detach_reset`` mean what they mean for the neurons.
"""

import math
from collections.abc import Callable
from typing import Any

import torch

from bitspike.dynamics._charge import (
    cuba_charge,
    eif_charge,
    if_charge,
    lif_charge,
    plif_charge,
    qif_charge,
)
from bitspike.dynamics._reset import voltage_reset

Surrogate = Callable[[Any], Any]
Pair = tuple[Any, Any]
Triple = tuple[Any, Any, Any]


def spike_and_reset(
    h: Any,
    v_threshold: Any,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """Fire and reset: ``(s, v)`` of the charged potential ``h``."""
    s = surrogate_function(h - v_threshold)
    return s, voltage_reset(h, s, v_threshold, v_reset, detach_reset)


def if_step(
    x: Any,
    v: Any,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`IFNode`: ``(s, v)``."""
    h = if_charge(x, v)
    return spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def lif_step(
    x: Any,
    v: Any,
    tau: float,
    decay_input: bool,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`LIFNode`: ``(s, v)``."""
    h = lif_charge(x, v, tau, decay_input, v_reset)
    return spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def plif_step(
    x: Any,
    v: Any,
    w: Any,
    decay_input: bool,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`ParametricLIFNode` with the parameter ``w``, ``1 / tau = sigmoid(w)``: ``(s, v)``."""
    h = plif_charge(x, v, w.sigmoid(), decay_input, v_reset)
    return spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def qif_step(
    x: Any,
    v: Any,
    tau: float,
    a0: float,
    v_rest: float,
    v_c: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`QIFNode`: ``(s, v)``."""
    h = qif_charge(x, v, tau, a0, v_rest, v_c)
    return spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def eif_step(
    x: Any,
    v: Any,
    tau: float,
    delta_t: float,
    theta_rh: float,
    v_rest: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`EIFNode`: ``(s, v)``."""
    h = eif_charge(x, v, tau, delta_t, theta_rh, v_rest)
    return spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


def adaptation(h: Any, w: Any, tau_w: float, a: float, v_rest: float) -> Any:
    """The adaptation current follows the potential: ``w + (a (h - v_rest) - w) / tau_w``."""
    return w + (a * (h - v_rest) - w) / tau_w


def izhikevich_step(
    x: Any,
    v: Any,
    w: Any,
    tau: float,
    a0: float,
    v_rest: float,
    v_c: float,
    tau_w: float,
    a: float,
    b: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Triple:
    """`IzhikevichNode`: ``(s, v, w)``."""
    h = v + (x + a0 * (v - v_rest) * (v - v_c) - w) / tau
    w = adaptation(h, w, tau_w, a, v_rest)
    s, v = spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return s, v, w + b * s


def klif_step(
    x: Any,
    v: Any,
    k: Any,
    tau: float,
    decay_input: bool,
    scale_reset: bool,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`KLIFNode` with the slope ``k``: ``(s, v)``."""
    h = torch.relu(k * lif_charge(x, v, tau, decay_input, v_reset))
    s = surrogate_function(h - v_threshold)
    if scale_reset:
        return s, voltage_reset(h / k, s, v_threshold / k, v_reset, detach_reset)
    return s, voltage_reset(h, s, v_threshold, v_reset, detach_reset)


def liaf_step(
    x: Any,
    v: Any,
    tau: float,
    decay_input: bool,
    v_threshold: float,
    v_reset: float | None,
    act: Callable[[Any], Any],
    threshold_related: bool,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`LIAFNode` with the activation ``act``: ``(y, v)``."""
    h = lif_charge(x, v, tau, decay_input, v_reset)
    y = act(h - v_threshold if threshold_related else h)
    _, v = spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return y, v


def ilif_step(
    x: Any,
    v: Any,
    tau: float,
    v_threshold: float,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`ILIFNode`: ``(s, v)`` with whole numbers of spikes."""
    h = lif_charge(x, v, tau, False, None)
    s = surrogate_function(h / v_threshold)
    return s, voltage_reset(h, s, v_threshold, None, detach_reset)


def clif_step(
    x: Any, v: Any, m: Any, tau: float, v_threshold: float, spike_function: Surrogate
) -> Triple:
    """`ComplementaryLIFNode`: ``(s, v, m)``."""
    h = lif_charge(x, v, tau, False, None)
    m = m * torch.sigmoid(h / tau)
    s = spike_function(h - v_threshold)
    m = m + s
    return s, h - s * (v_threshold + torch.sigmoid(m)), m


def cuba_lif_step(
    x: Any,
    current: Any,
    v: Any,
    current_decay: float,
    voltage_decay: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Triple:
    """`CUBALIFNode` and `SynapticNode`: ``(s, current, v)``."""
    current, h = cuba_charge(x, current, v, current_decay, voltage_decay)
    s, v = spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return s, current, v


def raf_step(
    x: Any,
    u: Any,
    v: Any,
    b: float,
    omega: float,
    dt: float,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Triple:
    """`RAFNode`: ``(s, u, v)``; only ``v`` is reset."""
    decay, angle = math.exp(b * dt), omega * dt
    cosine, sine = math.cos(angle), math.sin(angle)
    charged = decay * (u * cosine - v * sine) + x
    h = decay * (u * sine + v * cosine)
    s, v = spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return s, charged, v


def _ternary(
    h: Any,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool,
) -> Pair:
    above, below = surrogate_function(h - v_threshold), surrogate_function(-h - v_threshold)
    s = above - below
    event = s if v_reset is None else above + below
    return s, voltage_reset(h, event, v_threshold, v_reset, detach_reset)


def ternary_if_step(
    x: Any,
    v: Any,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`TernaryIFNode`: ``(s, v)`` with s of -1, 0 or 1."""
    h = if_charge(x, v)
    return _ternary(h, v_threshold, v_reset, surrogate_function, detach_reset)


def ternary_lif_step(
    x: Any,
    v: Any,
    tau: float,
    decay_input: bool,
    v_threshold: float,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Pair:
    """`TernaryLIFNode`: ``(s, v)`` with s of -1, 0 or 1."""
    h = lif_charge(x, v, tau, decay_input, v_reset)
    return _ternary(h, v_threshold, v_reset, surrogate_function, detach_reset)


def alpha_step(
    x: Any,
    v: Any,
    rising: Any,
    falling: Any,
    alpha: Any,
    beta: Any,
    v_threshold: Any,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> tuple[Any, Any, Any, Any]:
    """`AlphaNode`: ``(s, v, rising, falling)``."""
    rising = alpha * rising + x
    falling = beta * falling - x
    scale = math.log(alpha) / (math.log(beta) - math.log(alpha)) + 1.0
    h = v + scale * (rising + falling)
    s, v = spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)
    return s, v, rising, falling


def adaptive_lif_step(
    x: Any,
    v: Any,
    a: Any,
    tau: Any,
    tau_a: Any,
    beta: Any,
    v_threshold: Any,
    v_reset: float | None,
    surrogate_function: Surrogate,
    detach_reset: bool = False,
) -> Triple:
    """`AdaptiveLIFNode`: ``(s, v, a)``; each spike raises the threshold, by ``a``."""
    threshold = v_threshold + beta * a
    h = lif_charge(x, v, tau, True, v_reset)
    s = surrogate_function(h - threshold)
    v = voltage_reset(h, s, threshold, v_reset, detach_reset)
    return s, v, a - a / tau_a + s
