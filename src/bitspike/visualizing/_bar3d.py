"""A [T, N] array as bars in three dimensions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bitspike.visualizing._arrays import Array, ArrayLike, checked
from bitspike.visualizing._figure import COLORMAP, font_size, label, locator, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 0.8


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
    heights = checked(array, "plot_2d_bar_in_3d", "array", ("T", "N"))
    T, N = heights.shape
    figure = new_figure(None, dpi)
    from matplotlib import colormaps, rc_context
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    with rc_context({"grid.color": "0.85", "grid.linewidth": 0.5}):
        axes: Any = figure.add_subplot(projection="3d")
    shades = colormaps[COLORMAP](np.linspace(0.05, 0.9, N))
    axes.add_collection3d(
        Poly3DCollection(
            _bars(heights),
            facecolors=np.repeat(shades, T, axis=0),
            edgecolors="none",
            alpha=0.85,
        )
    )
    axes.set_xlim(-0.5, N - 0.5)
    axes.set_ylim(-0.5, T - 0.5)
    low, high = min(0.0, float(heights.min())), max(0.0, float(heights.max()))
    axes.set_zlim(low, high if high > low else 1.0)
    label(axes, title, xlabel, ylabel)
    axes.tick_params(pad=-2)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.labelpad = 0
    axes.set_box_aspect(None, zoom=1.12)
    size = font_size(axes)
    axes.set_zlabel(zlabel, fontsize=1.05 * size)
    for axis, integer, length in (
        (axes.xaxis, int_x_ticks, N),
        (axes.yaxis, int_y_ticks, T),
        (axes.zaxis, int_z_ticks, None),
    ):
        axis.set_major_locator(locator(integer, length if integer else None))
    return figure, axes


def _bars(heights: Array) -> Array:
    """Corners ``[N * T, 4, 3]`` of flat bars that stand on z = 0, the T of neuron 0 first."""
    T, N = heights.shape
    x, y = np.meshgrid(np.arange(N, dtype=np.float64), np.arange(T), indexing="ij")
    z = heights.T
    left, right, ground = y - _WIDTH / 2, y + _WIDTH / 2, np.zeros_like(z)
    corners = [(x, left, ground), (x, left, z), (x, right, z), (x, right, ground)]
    return np.stack([np.stack(c, axis=-1) for c in corners], axis=2).reshape(-1, 4, 3)
