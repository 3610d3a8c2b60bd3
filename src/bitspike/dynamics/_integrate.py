"""Integrate, without a leak."""

from typing import Any

from bitspike.dynamics._charge import Charge


def _h(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return v + x


def _one(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return 1.0


def _zero(v: Any, x: Any, p: Any, v_rest: Any) -> Any:  # noqa: ARG001
    return 0.0


INTEGRATE = Charge("integrate", h=_h, dh_dv=_one, dh_dx=_one, dh_dp=_zero)
