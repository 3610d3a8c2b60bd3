"""What a spike ``s`` does to the membrane: ``h`` before the spike, ``v`` after it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Equation = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset equation ``v(h, s, q)`` with its partial derivatives.

    All three take the membrane potential ``h`` before the spike, the spike ``s`` and the
    parameter ``q``: ``v_reset`` for the hard reset, ``v_threshold`` for the soft one.
    """

    name: str
    v: Equation
    dv_dh: Equation
    dv_ds: Equation


def _hard(h: Any, s: Any, q: Any) -> Any:
    return (1.0 - s) * h + s * q


def _hard_dh(h: Any, s: Any, q: Any) -> Any:  # noqa: ARG001
    return 1.0 - s


def _hard_ds(h: Any, s: Any, q: Any) -> Any:  # noqa: ARG001
    return q - h


HARD = Reset("hard", v=_hard, dv_dh=_hard_dh, dv_ds=_hard_ds)
"""The membrane is put to ``v_reset``."""


def _soft(h: Any, s: Any, q: Any) -> Any:
    return h - s * q


def _soft_dh(h: Any, s: Any, q: Any) -> Any:  # noqa: ARG001
    return 1.0


def _soft_ds(h: Any, s: Any, q: Any) -> Any:  # noqa: ARG001
    return -q


SOFT = Reset("soft", v=_soft, dv_dh=_soft_dh, dv_ds=_soft_ds)
"""The threshold is subtracted, what lies above it is kept."""
