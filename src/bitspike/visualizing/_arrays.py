"""Checks of what a user passes, and its conversion to float64 NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[np.float64]
ArrayLike = npt.NDArray[Any] | torch.Tensor | Sequence[Any]

_WANTED = "a rectangular array of real numbers (numpy.ndarray, torch.Tensor or a list of them)"


def shape_text(shape: Sequence[int | str]) -> str:
    """Return a shape as the documentation writes it, for example ``[T, N]``."""
    return "[" + ", ".join(str(size) for size in shape) + "]"


def check_array(
    x: ArrayLike, argument: str, dims: Sequence[str] | None = None, *, gaps: bool = False
) -> Array:
    """Convert an array, a tensor (of any device, with gradient, of bits) or a nested sequence.

    Args:
        x: The argument.
        argument: Its function and its name for errors, as in ``"plot_input: image"``.
        dims: Names of the dimensions that it must have; None allows any shape.
        gaps: Allow NaN beside other values; it is drawn as a gap.

    Raises:
        ValueError: Not numeric, of other dimensions, empty, or not finite.
    """
    try:
        array = _to_numpy(x)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{argument} must be {_WANTED}: {error}") from error
    shape = shape_text(array.shape)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{argument} must be {_WANTED}, got dtype {array.dtype}")
    if dims is not None and array.ndim != len(dims):
        raise ValueError(
            f"{argument} must have shape {shape_text(dims)} ({len(dims)} dimensions), got {shape}; "
            "index or reshape it first"
        )
    if array.size == 0:
        raise ValueError(f"{argument} has shape {shape}: there is nothing to draw")
    array = array.astype(np.float64)
    bad = np.isinf(array) if gaps else ~np.isfinite(array)
    if bad.any():
        first = shape_text(np.argwhere(bad)[0].tolist())
        raise ValueError(
            f"{argument} of shape {shape} holds {int(bad.sum())} values that are infinite or NaN, "
            f"the first at {first}; look where they come from before drawing"
        )
    if gaps and np.isnan(array).all():
        raise ValueError(f"{argument} of shape {shape} holds nothing but NaN")
    return array


def _to_numpy(x: Any) -> npt.NDArray[Any]:
    if isinstance(x, torch.Tensor):
        packed = getattr(x, "dense", None)
        dense = (packed() if callable(packed) else x).detach().cpu()
        # NumPy has no bfloat16, and float64 holds every other real dtype's values.
        return np.asarray(dense.numpy() if dense.is_complex() else dense.double().numpy())
    if isinstance(x, (list, tuple)):
        return np.asarray([_to_numpy(item) for item in x])
    return np.asarray(x)


def check_spikes(array: Array, argument: str) -> None:
    """Raise ValueError if a value is neither 0 nor 1."""
    other = array[(array != 0) & (array != 1)]
    if other.size:
        raise ValueError(
            f"{argument} of shape {shape_text(array.shape)} must hold only 0 (silence) and 1 "
            f"(spike), but holds {other[0]:g}; plot_2d_heatmap draws arbitrary values"
        )
