"""Effect of a spike ``s`` on the membrane, from ``h`` before the spike to ``v`` after it."""

from collections.abc import Callable
from typing import Any


def hard_reset(h: Any, s: Any, v_reset: Any) -> Any:
    """Put the membrane to ``v_reset``."""
    return (1 - s) * h + s * v_reset


def soft_reset(h: Any, s: Any, v_threshold: Any) -> Any:
    """Subtract the threshold from the membrane."""
    return h - s * v_threshold


def voltage_reset(
    v: Any, spike: Any, v_threshold: Any, v_reset: Any, detach_reset: bool = False
) -> Any:
    """Apply the hard reset to ``v_reset``, or the soft one if that is None.

    With ``detach_reset`` no gradient flows through the spike.
    """
    spike = spike.detach() if detach_reset else spike
    if v_reset is None:
        return soft_reset(v, spike, v_threshold)
    return hard_reset(v, spike, v_reset)


def spike_and_reset(
    h: Any,
    v_threshold: Any,
    v_reset: float | None,
    surrogate_function: Callable[[Any], Any],
    detach_reset: bool = False,
) -> tuple[Any, Any]:
    """Fire and reset the charged potential ``h``; return ``(s, v)``."""
    s = surrogate_function(h - v_threshold)
    return s, voltage_reset(h, s, v_threshold, v_reset, detach_reset)
