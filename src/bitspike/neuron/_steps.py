"""Checks and casts that the neurons with a time loop of their own share."""

from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.base import StepModule
from bitspike.spikes import plain


def name_of(module: nn.Module) -> str:
    """How an error message calls ``module``."""
    return module._whoami() if isinstance(module, StepModule) else type(module).__name__


def check_sequence(module: nn.Module, x_seq: Tensor, T: int | None = None) -> None:
    """Raises ValueError unless ``x_seq`` is ``[T, B, ...]`` with this T (None: any T >= 1)."""
    if x_seq.ndim >= 1 and x_seq.shape[0] == (T or max(1, x_seq.shape[0])):
        return
    raise ValueError(
        f"{name_of(module)}: multi-step input is [T, B, ...] with T {f'= {T}' if T else '>= 1'}, "
        f"but got shape {tuple(x_seq.shape)}"
    )


def count(module: object, name: str, value: Any) -> int:
    """``value`` as a whole number of 1 or more.

    Raises:
        TypeError: if it is not an integer.
        ValueError: if it is less than 1.
    """
    kind = type(module).__name__
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{kind}: {name} must be an integer, but got {value!r}")
    if value < 1:
        raise ValueError(f"{kind}: {name} must be 1 or more, but got {value!r}")
    return int(value)


def full_precision(x: Tensor) -> Tensor:
    """Under autocast membranes stay in float32; elsewhere ``x`` as it is.

    What `autograd.Function` is to take must have passed here, see `bitspike.spikes.plain`.
    """
    x = plain(x)
    half = x.dtype in (torch.float16, torch.bfloat16)
    return x.float() if half and torch.is_autocast_enabled(x.device.type) else x
