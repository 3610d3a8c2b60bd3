"""Arguments of torch's convolution and pooling functions."""

from typing import Any


def sizes(value: Any, axes: int) -> tuple[int, ...] | None:
    """Return an argument of a layer as one number for each axis; None if it is something else."""
    if isinstance(value, int):
        return (value,) * axes
    values = tuple(value) if isinstance(value, list | tuple) else ()
    if len(values) == 1:
        values *= axes
    return values if len(values) == axes and all(isinstance(n, int) for n in values) else None
