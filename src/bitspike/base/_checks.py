"""Checks of arguments and inputs, with messages that name the module and the argument."""

import math
from numbers import Integral, Real
from typing import Any

from torch import Tensor

from bitspike.base._step_module import StepModule


def name_of(caller: object) -> str:
    """Return the name of a module or function for an error message.

    Args:
        caller: a module, or the name itself.
    """
    if isinstance(caller, str):
        return caller
    return caller._whoami() if isinstance(caller, StepModule) else type(caller).__name__


def check_finite(module: object, name: str, value: Any) -> float:
    """Return ``value`` as a float.

    Raises:
        TypeError: if it is not a real number.
        ValueError: if it is infinite or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name_of(module)}: {name} must be a number, but got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name_of(module)}: {name} must be finite, but got {value!r}")
    return float(value)


def check_tau(module: object, name: str, value: Any) -> float:
    """Return ``value`` as a membrane time constant in time steps.

    Raises:
        TypeError: if it is not a real number.
        ValueError: if it is not greater than 1. With 1 the membrane forgets everything at each
            step, and below 1 it oscillates.
    """
    number = check_finite(module, name, value)
    if number <= 1.0:
        raise ValueError(
            f"{name_of(module)}: {name} is in time steps and must be greater than 1, "
            f"but got {value!r}"
        )
    return number


def check_between(module: object, name: str, value: Any, low: float, high: float) -> float:
    """Return ``value`` as a float with ``low < value < high``.

    Raises:
        TypeError: if it is not a real number.
        ValueError: if it is outside.
    """
    number = check_finite(module, name, value)
    if not low < number < high:
        wanted = f"lie between {low:g} and {high:g} (both excluded)"
        if math.isinf(low) or math.isinf(high):
            wanted = f"be less than {high:g}" if math.isinf(low) else f"be greater than {low:g}"
        raise ValueError(f"{name_of(module)}: {name} must {wanted}, but got {value!r}")
    return number


def check_positive(module: object, name: str, value: Any) -> float:
    """Return ``value`` as a float greater than 0, see `check_between`."""
    return check_between(module, name, value, 0.0, math.inf)


def check_count(module: object, name: str, value: Any) -> int:
    """Return ``value`` as an integer of at least 1.

    Raises:
        TypeError: if it is not an integer.
        ValueError: if it is less than 1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name_of(module)}: {name} must be an integer, but got {value!r}")
    if value < 1:
        raise ValueError(f"{name_of(module)}: {name} must be 1 or more, but got {value!r}")
    return int(value)


def check_sequence(caller: object, x_seq: Tensor, T: int | None = None, *, ndim: int = 1) -> None:
    """Raise ValueError unless ``x_seq`` is a sequence ``[T, B, ...]``.

    Args:
        caller: the module that takes the sequence, or the name of the function.
        x_seq: the input.
        T: number of time steps; None takes any number of at least 1.
        ndim: least number of axes.
    """
    steps = x_seq.shape[0] if x_seq.ndim >= ndim else 0
    if steps and (T is None or steps == T):
        return
    raise ValueError(
        f"{name_of(caller)}: the input must be a sequence [T, B, ...] with T "
        f"{'>= 1' if T is None else f'= {T}'}, but got shape {tuple(x_seq.shape)}"
    )
