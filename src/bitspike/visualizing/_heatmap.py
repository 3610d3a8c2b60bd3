"""A [T, N] array as colours."""

from typing import TYPE_CHECKING

import numpy as np

from bitspike.visualizing._arrays import ArrayLike, checked
from bitspike.visualizing._figure import (
    COLORMAP,
    color_bar,
    label,
    new_figure,
    row_interpolation,
    set_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SEPARATED_ROWS = 32


def plot_2d_heatmap(
    array: ArrayLike,
    title: str,
    xlabel: str,
    ylabel: str,
    int_x_ticks: bool = True,
    int_y_ticks: bool = True,
    plot_colorbar: bool = True,
    colorbar_y_label: str = "magnitude",
    x_max: float | None = None,
    figsize: tuple[float, float] = (12, 8),
    dpi: int = 200,
) -> "tuple[Figure, Axes]":
    """Draw a heat map, for example of the membrane potentials of a layer over time.

    Args:
        array: ``[T, N]``, any real dtype and device. Column ``n`` becomes row ``n`` of the
            picture (index 0 on top), time runs to the right. NaN leaves a gap.
        title: Title.
        xlabel: Label of the time axis.
        ylabel: Label of the index axis.
        int_x_ticks: Put ticks only at integers of the x axis.
        int_y_ticks: Put ticks only at integers of the y axis.
        plot_colorbar: Draw the scale of the colours.
        colorbar_y_label: Label of that scale.
        x_max: Value at the right edge of the x axis, to count in another unit than steps;
            step 0 stays at 0. ``None`` counts steps: the edge is ``T - 0.5``.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        Figure and axes.

    Raises:
        ValueError: ``array`` is not ``[T, N]``, empty, infinite or nothing but NaN; ``x_max`` is
            not a positive number.
        ImportError: Matplotlib is not installed.
    """
    values = checked(array, "plot_2d_heatmap", "array", ("T", "N"), gaps=True)
    if x_max is not None and not (np.isfinite(x_max) and x_max > 0):
        raise ValueError(f"plot_2d_heatmap: x_max must be a positive number, got {x_max}")
    T, N = values.shape
    right = T - 0.5 if x_max is None else float(x_max)
    left = -0.5 * right / (T - 0.5)

    figure = new_figure(figsize, dpi)
    axes = figure.add_subplot()
    image = axes.imshow(
        values.T,
        aspect="auto",
        cmap=COLORMAP,
        interpolation=row_interpolation(N),
        extent=(left, right, N - 0.5, -0.5),
    )
    label(axes, title, xlabel, ylabel)
    if N <= _SEPARATED_ROWS:
        axes.hlines(np.arange(1, N) - 0.5, left, right, colors="w", linewidths=1.0, alpha=0.6)
    set_ticks(axes, int_x_ticks, int_y_ticks, rows=N)
    if plot_colorbar:
        color_bar(image, axes, colorbar_y_label)
    return figure, axes
