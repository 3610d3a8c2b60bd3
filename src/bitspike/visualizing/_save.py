"""Pictures as files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bitspike._files import atomic
from bitspike.visualizing import _style as style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(fig: "Figure", path: str | os.PathLike[str]) -> None:
    """Write ``fig`` to ``path`` in one step and close it.

    The picture is written to a temporary file beside ``path``, which then takes its place, so an
    interrupted program leaves either the old file or the new one. Missing folders are created. If
    writing fails, the figure stays open and the temporary file is removed.

    Args:
        fig: A matplotlib figure. The functions that return ``(figure, axes)`` need ``fig[0]``.
        path: Where to write; the suffix (``.png``, ``.pdf``, ``.svg``, ...) chooses the format.

    Raises:
        TypeError: ``fig`` is not a figure.
        ValueError: Matplotlib does not know the suffix.
        OSError: The file cannot be written.
        ImportError: Matplotlib is not installed.
    """
    plt = style.pyplot()
    if not isinstance(fig, plt.Figure):
        raise TypeError(
            f"save: fig must be a matplotlib Figure, got {type(fig).__name__}; "
            f"the functions named as in SpikingJelly return (figure, axes): pass the first"
        )
    target = Path(path)
    known = fig.canvas.get_supported_filetypes()
    kind = target.suffix.removeprefix(".").lower()
    if kind not in known:
        raise ValueError(
            f"save: the name {target.name!r} must end in one of ."
            + ", .".join(sorted(known))
            + " so that the format is known"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as temporary:
        fig.savefig(temporary, format=kind)
    plt.close(fig)
