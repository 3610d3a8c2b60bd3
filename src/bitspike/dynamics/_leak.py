"""Leaky integration: ``p`` is the time constant tau, or its reciprocal, the leak rate.

Both are written out, since dividing by tau and multiplying by 1/tau round differently: a
membrane exactly at the threshold would spike in one and not in the other.
"""

from typing import Any

from bitspike.dynamics._charge import Charge

# p = tau, the input decays with the membrane


def _h_tau_decay(v: Any, x: Any, p: Any, v_rest: Any) -> Any:
    return v + (x - (v - v_rest)) / p


def _dv_tau(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return 1.0 - 1.0 / p


def _dx_tau_decay(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return 1.0 / p


def _dp_tau_decay(v: Any, x: Any, p: Any, v_rest: Any) -> Any:
    return -(x - (v - v_rest)) / (p * p)


LEAK_DECAY_INPUT = Charge(
    "leak_decay_input", h=_h_tau_decay, dh_dv=_dv_tau, dh_dx=_dx_tau_decay, dh_dp=_dp_tau_decay
)

# p = tau, the input enters whole


def _h_tau(v: Any, x: Any, p: Any, v_rest: Any) -> Any:
    return v - (v - v_rest) / p + x


def _one(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return 1.0


def _dp_tau(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return (v - v_rest) / (p * p)


LEAK = Charge("leak", h=_h_tau, dh_dv=_dv_tau, dh_dx=_one, dh_dp=_dp_tau)

# p = 1 / tau, the input decays with the membrane


def _h_rate_decay(v: Any, x: Any, p: Any, v_rest: Any) -> Any:
    return v + (x - (v - v_rest)) * p


def _dv_rate(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return 1.0 - p


def _dx_rate_decay(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return p


def _dp_rate_decay(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return x - (v - v_rest)


LEAK_RATE_DECAY_INPUT = Charge(
    "leak_rate_decay_input",
    h=_h_rate_decay,
    dh_dv=_dv_rate,
    dh_dx=_dx_rate_decay,
    dh_dp=_dp_rate_decay,
)

# p = 1 / tau, the input enters whole


def _h_rate(v: Any, x: Any, p: Any, v_rest: Any) -> Any:
    return v - (v - v_rest) * p + x


def _dp_rate(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return -(v - v_rest)


LEAK_RATE = Charge("leak_rate", h=_h_rate, dh_dv=_dv_rate, dh_dx=_one, dh_dp=_dp_rate)
