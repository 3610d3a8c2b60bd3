"""What a spike ``s`` does to the membrane: ``h`` before the spike, ``v`` after it."""

from typing import Any


def hard_reset(h: Any, s: Any, v_reset: Any) -> Any:
    """The membrane is put to ``v_reset``."""
    return (1 - s) * h + s * v_reset


def soft_reset(h: Any, s: Any, v_threshold: Any) -> Any:
    """The threshold is subtracted, what lies above it is kept."""
    return h - s * v_threshold


def voltage_reset(
    v: Any, spike: Any, v_threshold: Any, v_reset: Any, detach_reset: bool = False
) -> Any:
    """The hard reset to ``v_reset``, or the soft one if that is None.

    With ``detach_reset`` no gradient flows through the spike.
    """
    spike = spike.detach() if detach_reset else spike
    if v_reset is None:
        return soft_reset(v, spike, v_threshold)
    return hard_reset(v, spike, v_reset)
