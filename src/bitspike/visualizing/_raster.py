"""Spike rasters: ticks for few rows, dots for many, an image for more spikes than that."""

from typing import TYPE_CHECKING

import numpy as np

from bitspike.visualizing._arrays import Array
from bitspike.visualizing._figure import INK, figure_of, row_interpolation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICK_ROWS = 64
_TICKS = 20_000
_DOTS = 100_000
_COLUMNS = 2000


def draw_raster(axes: "Axes", spikes: Array) -> None:
    """Draw spikes with time to the right and index 0 on top.

    Args:
        axes: Empty axes.
        spikes: ``[T, N]`` of 0 and 1.
    """
    T, N = spikes.shape
    few_rows = N <= _TICK_ROWS
    if spikes.sum() > (_TICKS if few_rows else _DOTS):
        _draw_image(axes, spikes)
    elif few_rows:
        _draw_ticks(axes, spikes)
    else:
        _draw_dots(axes, spikes)
    axes.set_xlim(-0.5, T - 0.5)
    axes.set_ylim(N - 0.5, -0.5)


def _points_per_step(axes: "Axes", T: int) -> float:
    return axes.get_window_extent().width * 72 / figure_of(axes).dpi / T


def _draw_ticks(axes: "Axes", spikes: Array) -> None:
    from matplotlib.collections import LineCollection

    T, N = spikes.shape
    step, row = np.nonzero(spikes)
    ends = np.stack([row - 0.4, row + 0.4], axis=1)
    segments = np.stack([np.broadcast_to(step[:, None], ends.shape), ends], axis=2)
    width = float(np.clip(0.45 * _points_per_step(axes, T), 0.3, 3.0))
    axes.hlines(np.arange(N), -0.5, T - 0.5, colors="0.5", alpha=0.25, linewidths=0.5, zorder=0.5)
    axes.add_collection(
        LineCollection(list(segments), colors=INK, linewidths=width, label="spikes")
    )


def _draw_dots(axes: "Axes", spikes: Array) -> None:
    step, row = np.nonzero(spikes)
    size = float(np.clip(0.4 * _points_per_step(axes, spikes.shape[0]), 0.6, 1.4))
    (dots,) = axes.plot(
        step, row, "o", markersize=size, markeredgewidth=0, color=INK, label="spikes"
    )
    dots.set_snap(False)


def _draw_image(axes: "Axes", spikes: Array) -> None:
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    T, N = spikes.shape
    fade = LinearSegmentedColormap.from_list("spikes", [to_rgba(INK, 0.0), to_rgba(INK, 1.0)])
    axes.imshow(
        _pool(spikes).T if N <= _TICK_ROWS else spikes.T,
        aspect="auto",
        cmap=fade,
        vmin=0,
        vmax=1,
        extent=(-0.5, T - 0.5, N - 0.5, -0.5),
        interpolation=row_interpolation(N),
        label="spikes",
    )


def _pool(spikes: Array) -> Array:
    """Average neighbouring steps until no more than 2000 columns remain."""
    T = spikes.shape[0]
    starts = np.unique(np.linspace(0, T, min(T, _COLUMNS), endpoint=False).astype(np.intp))
    lengths = np.diff(np.append(starts, T))
    pooled: Array = np.add.reduceat(spikes, starts, axis=0) / lengths[:, None]
    return pooled
