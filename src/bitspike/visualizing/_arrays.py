"""What the user passes, as a checked float64 NumPy array."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[np.float64]
ArrayLike = npt.NDArray[Any] | torch.Tensor | Sequence[Any]

_WANTED = "a rectangular array of real numbers (numpy.ndarray, torch.Tensor or a list of them)"


def shape_text(shape: Sequence[int | str]) -> str:
    """Write a shape the way the documentation does, for example ``[T, N]``."""
    return "[" + ", ".join(str(size) for size in shape) + "]"


def _to_numpy(x: Any) -> npt.NDArray[Any]:
    if isinstance(x, torch.Tensor):
        packed = getattr(x, "dense", None)
        dense = packed() if callable(packed) else x
        dense = dense.detach().cpu()
        # NumPy has no bfloat16, and float64 holds every other real dtype's values.
        return np.asarray(dense.numpy() if dense.is_complex() else dense.double().numpy())
    if isinstance(x, (list, tuple)):
        return np.asarray([_to_numpy(item) for item in x])
    return np.asarray(x)


def to_float(x: ArrayLike, function: str, name: str) -> Array:
    """Convert to float64 without looking at the shape.

    Args:
        x: Array, tensor (any device, with or without gradient, bool, bits) or nested sequence.
        function: Public function on whose behalf an error speaks.
        name: The parameter's name.

    Raises:
        ValueError: ``x`` is ragged, complex or not numeric.
    """
    try:
        array = _to_numpy(x)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{function}: {name} must be {_WANTED}: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{function}: {name} must be {_WANTED}, got dtype {array.dtype}")
    return array.astype(np.float64)


def check_values(array: Array, function: str, name: str, *, gaps: bool = False) -> None:
    """Refuse an empty array and values that cannot be drawn.

    Args:
        array: Any shape.
        function: Public function on whose behalf an error speaks.
        name: The parameter's name.
        gaps: Let NaN pass (drawn as a gap) as long as something else is there.

    Raises:
        ValueError: ``array`` is empty, or holds infinities or NaN.
    """
    shape = shape_text(array.shape)
    if array.size == 0:
        raise ValueError(f"{function}: {name} has shape {shape}: there is nothing to draw")
    bad = np.isinf(array) if gaps else ~np.isfinite(array)
    if bad.any():
        first = shape_text(np.argwhere(bad)[0].tolist())
        raise ValueError(
            f"{function}: {name} of shape {shape} holds {int(bad.sum())} values that are "
            f"infinite or NaN, the first at {first}; look where they come from before drawing"
        )
    if gaps and np.isnan(array).all():
        raise ValueError(f"{function}: {name} of shape {shape} holds nothing but NaN")


def checked(
    x: ArrayLike, function: str, name: str, dims: Sequence[str], *, gaps: bool = False
) -> Array:
    """Convert to float64 and insist on the number of dimensions.

    Args:
        x: What the user passed.
        function: Public function on whose behalf an error speaks.
        name: The parameter's name.
        dims: Names of the dimensions, for example ``("T", "N")``.
        gaps: Let NaN pass.

    Raises:
        ValueError: Wrong number of dimensions, empty, not numeric or not finite.
    """
    array = to_float(x, function, name)
    if array.ndim != len(dims):
        raise ValueError(
            f"{function}: {name} must have shape {shape_text(dims)} ({len(dims)} dimensions), "
            f"got {shape_text(array.shape)}; index or reshape it first"
        )
    check_values(array, function, name, gaps=gaps)
    return array


def check_spikes(array: Array, function: str, name: str) -> None:
    """Insist on zeros and ones.

    Raises:
        ValueError: A value is neither 0 nor 1.
    """
    other = array[(array != 0) & (array != 1)]
    if other.size:
        raise ValueError(
            f"{function}: {name} of shape {shape_text(array.shape)} must hold only 0 (silence) "
            f"and 1 (spike), found {other[0]:g}; plot_2d_heatmap draws arbitrary values"
        )
