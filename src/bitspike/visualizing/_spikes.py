"""Spike rasters, alone, beside firing rates, and beside the image that the spikes encode."""

from typing import TYPE_CHECKING

import numpy as np

from bitspike.visualizing import _style as style
from bitspike.visualizing._arrays import Array, ArrayLike, check_array, check_spikes, shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICK_ROWS = 64
_MAX_TICKS = 20_000
_MAX_DOTS = 100_000
_MAX_COLUMNS = 2000
_SMALLEST_TEXT = 0.5  # of the ordinary size
_RASTER_WIDTH = 1.7  # of the images beside it


def plot_1d_spikes(
    spikes: ArrayLike,
    title: str,
    xlabel: str,
    ylabel: str,
    int_x_ticks: bool = True,
    int_y_ticks: bool = True,
    plot_firing_rate: bool = True,
    firing_rate_map_title: str = "firing rate",
    figsize: tuple[float, float] = (12, 8),
    dpi: int = 200,
) -> "tuple[Figure, Axes]":
    """Draw the spike trains of N neurons, and how often each of them fires.

    Args:
        spikes: ``[T, N]`` of 0 and 1 (or bool), any dtype and device. Index 0 is on top, time
            runs to the right.
        title: Title.
        xlabel: Label of the time axis.
        ylabel: Label of the index axis.
        int_x_ticks: Put ticks only at integers of the x axis.
        int_y_ticks: Put ticks only at integers of the y axis.
        plot_firing_rate: Draw a column of firing rates, in spikes per step. Its cells carry
            their values if there is room, otherwise it has a colour scale.
        firing_rate_map_title: Title of that column.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        Figure and the axes of the raster.

    Raises:
        ValueError: ``spikes`` is not ``[T, N]``, empty, or holds another value than 0 and 1.
        ImportError: Matplotlib is not installed.
    """
    values = check_array(spikes, "plot_1d_spikes: spikes", ("T", "N"))
    check_spikes(values, "plot_1d_spikes: spikes")

    figure = style.new_figure(figsize, dpi)
    if plot_firing_rate:
        grid = figure.add_gridspec(1, 2, width_ratios=[7, 1])
        axes = figure.add_subplot(grid[0, 0])
        _draw_rates(figure.add_subplot(grid[0, 1]), values, firing_rate_map_title)
    else:
        axes = figure.add_subplot()
    _draw_raster(axes, values)
    style.label(axes, title, xlabel, ylabel)
    style.open_spines(axes)
    style.set_ticks(axes, int_x_ticks, int_y_ticks, rows=values.shape[1])
    figure.sca(axes)
    return figure, axes


def plot_input(
    image: ArrayLike,
    spikes: ArrayLike,
    title: str = "Poisson-encoded input",
    figsize: tuple[float, float] = (12, 3.8),
    dpi: int = 200,
) -> "Figure":
    """Draw an image, the raster of its spike trains, and the firing rate of every pixel.

    Args:
        image: ``[H, W]`` or ``[1, H, W]``, intensities in ``[0, 1]``.
        spikes: ``[T, H * W]``, ``[T, H, W]`` or ``[T, 1, H, W]`` of 0 and 1 (or bool). Pixels are
            counted row by row, index 0 is on top of the raster.
        title: Title of the whole figure.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        The figure; its first three axes are the image, the raster and the firing rates (in
        spikes per step, on the same grey scale as the image).

    Raises:
        ValueError: A shape is wrong, ``spikes`` does not have a train for every pixel, something
            is empty or not finite, ``image`` leaves ``[0, 1]``, or ``spikes`` holds another value
            than 0 and 1.
        ImportError: Matplotlib is not installed.
    """
    picture = _check_image(image)
    trains = _check_trains(spikes, picture)

    figure = style.new_figure(figsize, dpi)
    grid = figure.add_gridspec(1, 3, width_ratios=[1, _RASTER_WIDTH, 1])
    left, middle, right = (figure.add_subplot(grid[i]) for i in range(3))
    figure.suptitle(title, fontsize=1.25 * style.font_size(left))
    _draw_grey(left, picture, "image")
    _draw_raster(middle, trains)
    middle.set_box_aspect(1 / _RASTER_WIDTH)
    caption = f"{int(trains.sum()):,} spikes in {trains.shape[0]:,} steps"
    style.label(middle, caption, "time step", "pixel index")
    style.set_ticks(middle, int_x=True, int_y=True, rows=trains.shape[1])
    style.open_spines(middle)
    rates = trains.mean(axis=0).reshape(picture.shape)
    style.color_bar(_draw_grey(right, rates, "firing rate"), right, width=0.05)
    return figure


def _draw_raster(axes: "Axes", spikes: Array) -> None:
    """Draw spikes ``[T, N]``: ticks in few rows, dots in many, an image for more than that."""
    T, N = spikes.shape
    few_rows = N <= _TICK_ROWS
    if spikes.sum() > (_MAX_TICKS if few_rows else _MAX_DOTS):
        _draw_image(axes, spikes)
    elif few_rows:
        _draw_ticks(axes, spikes)
    else:
        _draw_dots(axes, spikes)
    axes.set_xlim(-0.5, T - 0.5)
    axes.set_ylim(N - 0.5, -0.5)


def _points_per_step(axes: "Axes", T: int) -> float:
    return axes.get_window_extent().width * 72 / style.figure_of(axes).dpi / T


def _draw_ticks(axes: "Axes", spikes: Array) -> None:
    from matplotlib.collections import LineCollection

    T, N = spikes.shape
    step, row = np.nonzero(spikes)
    ends = np.stack([row - 0.4, row + 0.4], axis=1)
    segments = np.stack([np.broadcast_to(step[:, None], ends.shape), ends], axis=2)
    width = float(np.clip(0.45 * _points_per_step(axes, T), 0.3, 3.0))
    axes.hlines(np.arange(N), -0.5, T - 0.5, colors="0.5", alpha=0.25, linewidths=0.5, zorder=0.5)
    axes.add_collection(
        LineCollection(list(segments), colors=style.INK, linewidths=width, label="spikes")
    )


def _draw_dots(axes: "Axes", spikes: Array) -> None:
    step, row = np.nonzero(spikes)
    size = float(np.clip(0.4 * _points_per_step(axes, spikes.shape[0]), 0.6, 1.4))
    (dots,) = axes.plot(
        step, row, "o", markersize=size, markeredgewidth=0, color=style.INK, label="spikes"
    )
    dots.set_snap(False)


def _draw_image(axes: "Axes", spikes: Array) -> None:
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    T, N = spikes.shape
    fade = LinearSegmentedColormap.from_list(
        "spikes", [to_rgba(style.INK, 0.0), to_rgba(style.INK, 1.0)]
    )
    axes.imshow(
        _pool(spikes).T if N <= _TICK_ROWS else spikes.T,
        aspect="auto",
        cmap=fade,
        vmin=0,
        vmax=1,
        extent=(-0.5, T - 0.5, N - 0.5, -0.5),
        interpolation=style.row_interpolation(N),
        label="spikes",
    )


def _pool(spikes: Array) -> Array:
    """Average neighbouring steps until no more than 2000 columns remain."""
    T = spikes.shape[0]
    starts = np.unique(np.linspace(0, T, min(T, _MAX_COLUMNS), endpoint=False).astype(np.intp))
    lengths = np.diff(np.append(starts, T))
    pooled: Array = np.add.reduceat(spikes, starts, axis=0) / lengths[:, None]
    return pooled


def _draw_rates(axes: "Axes", spikes: Array, title: str) -> None:
    rates = spikes.mean(axis=0)
    N = rates.size
    image = axes.imshow(
        rates[:, None], aspect="auto", cmap=style.COLORMAP, vmin=0, vmax=rates.max() or 1
    )
    style.label(axes, title)
    style.set_ticks(axes, int_x=True, int_y=True)
    axes.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)

    row_points = 0.8 * float(style.figure_of(axes).get_size_inches()[1]) * 72 / N
    size = min(0.9 * style.font_size(axes), 0.7 * row_points)
    if size < _SMALLEST_TEXT * style.font_size(axes):
        style.color_bar(image, axes, width=0.3)
        return
    for n, rate in enumerate(rates):
        red, green, blue, _ = image.to_rgba(rate)
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(
            0,
            n,
            f"{rate:.2f}",
            ha="center",
            va="center_baseline",
            fontsize=size,
            color="w" if dark else "k",
        )


def _check_image(image: ArrayLike) -> Array:
    picture = check_array(image, "plot_input: image")
    shape = shape_text(picture.shape)
    if picture.ndim == 3 and picture.shape[0] == 1:
        picture = picture[0]
    if picture.ndim != 2:
        raise ValueError(
            f"plot_input: image must have shape [H, W] or [1, H, W], got {shape}; "
            f"pick one image of the batch and one channel of it"
        )
    if picture.min() < 0 or picture.max() > 1:
        raise ValueError(
            f"plot_input: image of shape {shape} must lie in [0, 1], got values from "
            f"{picture.min():g} to {picture.max():g}; scale it as the encoder's input"
        )
    return picture


def _check_trains(spikes: ArrayLike, picture: Array) -> Array:
    trains = check_array(spikes, "plot_input: spikes")
    H, W = picture.shape
    if trains.shape[1:] not in {(H * W,), (H, W), (1, H, W)}:
        raise ValueError(
            f"plot_input: spikes must have shape [T, {H * W}], [T, {H}, {W}] or "
            f"[T, 1, {H}, {W}] to go with an image of {H} x {W}, got {shape_text(trains.shape)}; "
            f"pick one sample of the batch"
        )
    check_spikes(trains, "plot_input: spikes")
    return trains.reshape(trains.shape[0], H * W)


def _draw_grey(axes: "Axes", values: Array, title: str) -> object:
    drawn = axes.imshow(values, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    style.label(axes, title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return drawn
