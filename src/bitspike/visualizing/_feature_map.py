"""The channels of one feature map side by side."""

from typing import TYPE_CHECKING

import numpy as np

from bitspike.visualizing._arrays import Array, ArrayLike, checked, shape_text
from bitspike.visualizing._figure import COLORMAP, color_bar, label, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_2d_feature_map(
    x3d: ArrayLike,
    nrows: int,
    ncols: int,
    space: int,
    title: str,
    figsize: tuple[float, float] = (12, 8),
    dpi: int = 200,
) -> "tuple[Figure, Axes]":
    """Draw C matrices in a grid, for example the spikes that a convolutional layer emits.

    Args:
        x3d: ``[C, W, H]``, any real dtype and device; channel by channel along the rows of the
            grid. More than two different values bring a colour scale with them.
        nrows: Rows of the grid.
        ncols: Columns of the grid; ``nrows * ncols`` must be C.
        space: Gap between neighbours, in pixels of the feature map.
        title: Title.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        Figure and axes.

    Raises:
        ValueError: ``x3d`` is not ``[C, W, H]``, empty or not finite; the grid does not hold C
            matrices; ``space`` is negative.
        ImportError: Matplotlib is not installed.
    """
    maps = checked(x3d, "plot_2d_feature_map", "x3d", ("C", "W", "H"))
    if nrows < 1 or ncols < 1 or nrows * ncols != maps.shape[0]:
        raise ValueError(
            f"plot_2d_feature_map: a grid of {nrows} x {ncols} does not fit the {maps.shape[0]} "
            f"channels of x3d {shape_text(maps.shape)}; nrows * ncols must equal C"
        )
    if space < 0:
        raise ValueError(f"plot_2d_feature_map: space must not be negative, got {space}")

    figure = new_figure(figsize, dpi)
    axes = figure.add_subplot()
    image = axes.imshow(_tile(maps, nrows, ncols, space), cmap=COLORMAP, interpolation="nearest")
    label(axes, title)
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    if np.unique(maps).size > 2:
        color_bar(image, axes)
    return figure, axes


def _tile(maps: Array, nrows: int, ncols: int, space: int) -> Array:
    """Lay the maps out in a sheet; the gaps are NaN and stay unpainted."""
    _, W, H = maps.shape
    before = space // 2
    after = space - before
    padded = np.pad(maps, ((0, 0), (before, after), (before, after)), constant_values=np.nan)
    rows = padded.reshape(nrows, ncols, W + space, H + space).swapaxes(1, 2)
    return rows.reshape(nrows * (W + space), ncols * (H + space))
