"""What a spike ``s`` does to the membrane: ``h`` before the spike, ``v`` after it."""

from typing import Any


def hard_reset(h: Any, s: Any, v_reset: Any) -> Any:
    """The membrane is put to ``v_reset``."""
    return (1.0 - s) * h + s * v_reset


def soft_reset(h: Any, s: Any, v_threshold: Any) -> Any:
    """The threshold is subtracted, what lies above it is kept."""
    return h - s * v_threshold
