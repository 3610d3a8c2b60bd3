"""Arrays of arbitrary values: as a heat map, as bars in three dimensions, as feature maps."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bitspike.visualizing import _style as style
from bitspike.visualizing._arrays import Array, ArrayLike, check_array, shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SEPARATED_ROWS = 32
_BAR_WIDTH = 0.8


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
    values = check_array(array, "plot_2d_heatmap: array", ("T", "N"), gaps=True)
    if x_max is not None and not (np.isfinite(x_max) and x_max > 0):
        raise ValueError(f"plot_2d_heatmap: x_max must be a positive number, got {x_max}")
    T, N = values.shape
    right = T - 0.5 if x_max is None else float(x_max)
    left = -0.5 * right / (T - 0.5)

    figure = style.new_figure(figsize, dpi)
    axes = figure.add_subplot()
    image = axes.imshow(
        values.T,
        aspect="auto",
        cmap=style.COLORMAP,
        interpolation=style.row_interpolation(N),
        extent=(left, right, N - 0.5, -0.5),
    )
    style.label(axes, title, xlabel, ylabel)
    if N <= _SEPARATED_ROWS:
        axes.hlines(np.arange(1, N) - 0.5, left, right, colors="w", linewidths=1.0, alpha=0.6)
    style.set_ticks(axes, int_x_ticks, int_y_ticks, rows=N)
    if plot_colorbar:
        style.color_bar(image, axes, colorbar_y_label)
    return figure, axes


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
    maps = check_array(x3d, "plot_2d_feature_map: x3d", ("C", "W", "H"))
    C, W, H = maps.shape
    if nrows < 1 or ncols < 1 or nrows * ncols != C:
        raise ValueError(
            f"plot_2d_feature_map: a grid of {nrows} x {ncols} does not fit the {C} channels of "
            f"x3d {shape_text(maps.shape)}; nrows * ncols must equal C"
        )
    if space < 0:
        raise ValueError(f"plot_2d_feature_map: space must not be negative, got {space}")
    gap = (space // 2, space - space // 2)  # of NaN, which is not painted
    padded = np.pad(maps, ((0, 0), gap, gap), constant_values=np.nan)
    tiles = padded.reshape(nrows, ncols, W + space, H + space).swapaxes(1, 2)
    sheet = tiles.reshape(nrows * (W + space), ncols * (H + space))

    figure = style.new_figure(figsize, dpi)
    axes = figure.add_subplot()
    image = axes.imshow(sheet, cmap=style.COLORMAP, interpolation="nearest")
    style.label(axes, title)
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    if np.unique(maps).size > 2:
        style.color_bar(image, axes)
    return figure, axes


def plot_2d_bar_in_3d(
    array: ArrayLike,
    title: str,
    xlabel: str,
    ylabel: str,
    zlabel: str,
    int_x_ticks: bool = True,
    int_y_ticks: bool = True,
    int_z_ticks: bool = False,
    dpi: int = 200,
) -> "tuple[Figure, Axes]":
    """Draw one row of bars per column, for example firing rates over the training epochs.

    Args:
        array: ``[T, N]``, any real dtype and device. ``array[t, n]`` is the height of the bar at
            ``x = n``, ``y = t``.
        title: Title.
        xlabel: Label of the x axis, which counts N.
        ylabel: Label of the y axis, which counts T.
        zlabel: Label of the height.
        int_x_ticks: Put ticks only at integers of the x axis.
        int_y_ticks: Put ticks only at integers of the y axis.
        int_z_ticks: Put ticks only at integers of the z axis.
        dpi: Dots per inch.

    Returns:
        Figure and three-dimensional axes.

    Raises:
        ValueError: ``array`` is not ``[T, N]``, empty or not finite.
        ImportError: Matplotlib is not installed.
    """
    heights = check_array(array, "plot_2d_bar_in_3d: array", ("T", "N"))
    T, N = heights.shape
    figure = style.new_figure(None, dpi)
    from matplotlib import colormaps, rc_context
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    with rc_context({"grid.color": "0.85", "grid.linewidth": 0.5}):
        axes: Any = figure.add_subplot(projection="3d")
    shades = np.repeat(colormaps[style.COLORMAP](np.linspace(0.05, 0.9, N)), T, axis=0)
    axes.add_collection3d(
        Poly3DCollection(_bars(heights), facecolors=shades, edgecolors="none", alpha=0.85)
    )
    axes.set_xlim(-0.5, N - 0.5)
    axes.set_ylim(-0.5, T - 0.5)
    low, high = min(0.0, float(heights.min())), max(0.0, float(heights.max()))
    axes.set_zlim(low, high if high > low else 1.0)
    style.label(axes, title, xlabel, ylabel)
    axes.set_zlabel(zlabel, fontsize=1.05 * style.font_size(axes))
    axes.tick_params(pad=-2)
    for axis, integer, length in (
        (axes.xaxis, int_x_ticks, N),
        (axes.yaxis, int_y_ticks, T),
        (axes.zaxis, int_z_ticks, None),
    ):
        axis.labelpad = 0
        axis.set_major_locator(style.locator(integer, length if integer else None))
    axes.set_box_aspect(None, zoom=1.12)
    return figure, axes


def _bars(heights: Array) -> Array:
    """Return corners ``[N * T, 4, 3]`` of flat bars on z = 0, the T bars of column 0 first."""
    T, N = heights.shape
    x, y = np.meshgrid(np.arange(N, dtype=np.float64), np.arange(T), indexing="ij")
    z = heights.T
    left, right, ground = y - _BAR_WIDTH / 2, y + _BAR_WIDTH / 2, np.zeros_like(z)
    corners = [(x, left, ground), (x, left, z), (x, right, z), (x, right, ground)]
    return np.stack([np.stack(c, axis=-1) for c in corners], axis=2).reshape(-1, 4, 3)
