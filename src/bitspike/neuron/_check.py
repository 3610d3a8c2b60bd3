"""Checks of constructor arguments, in words that say which module and which argument."""

import math
from numbers import Real
from typing import Any


def finite(module: object, name: str, value: Any) -> float:
    """``value`` as a float.

    Raises:
        TypeError: if it is not a real number.
        ValueError: if it is infinite or NaN.
    """
    kind = type(module).__name__
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{kind}: {name} must be a number, but got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{kind}: {name} must be finite, but got {value!r}")
    return float(value)


def tau(module: object, name: str, value: Any) -> float:
    """``value`` as a membrane time constant in time steps.

    Raises:
        TypeError: if it is not a real number.
        ValueError: if it is not greater than 1: the membrane would forget everything, or swing.
    """
    number = finite(module, name, value)
    if number <= 1.0:
        raise ValueError(
            f"{type(module).__name__}: {name} is in time steps and must be greater than 1, "
            f"but got {value!r}"
        )
    return number


def between(module: object, name: str, value: Any, low: float, high: float) -> float:
    """``value`` as a float with ``low < value < high``.

    Raises:
        TypeError: if it is not a real number.
        ValueError: if it is outside.
    """
    number = finite(module, name, value)
    if not low < number < high:
        wanted = f"lie between {low:g} and {high:g} (both excluded)"
        if math.isinf(low) or math.isinf(high):
            wanted = f"be less than {high:g}" if math.isinf(low) else f"be greater than {low:g}"
        raise ValueError(f"{type(module).__name__}: {name} must {wanted}, but got {value!r}")
    return number


def positive(module: object, name: str, value: Any) -> float:
    """``value`` as a float greater than 0, see `between`."""
    return between(module, name, value, 0.0, math.inf)
