"""A [T, N] spike raster with the firing rates beside it."""

from typing import TYPE_CHECKING

from bitspike.visualizing._arrays import Array, ArrayLike, check_spikes, checked
from bitspike.visualizing._figure import (
    COLORMAP,
    color_bar,
    figure_of,
    font_size,
    label,
    new_figure,
    open_spines,
    set_ticks,
)
from bitspike.visualizing._raster import draw_raster

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST = 0.5


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
        plot_firing_rate: Draw the column of firing rates, in spikes per step. Its cells carry
            their value while there is room to write it, a colour scale stands in after that.
        firing_rate_map_title: Title of that column.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        Figure and the axes of the raster.

    Raises:
        ValueError: ``spikes`` is not ``[T, N]``, empty, or holds another value than 0 and 1.
        ImportError: Matplotlib is not installed.
    """
    values = checked(spikes, "plot_1d_spikes", "spikes", ("T", "N"))
    check_spikes(values, "plot_1d_spikes", "spikes")

    figure = new_figure(figsize, dpi)
    if plot_firing_rate:
        grid = figure.add_gridspec(1, 2, width_ratios=[7, 1])
        axes = figure.add_subplot(grid[0, 0])
        _draw_rates(figure.add_subplot(grid[0, 1]), values, firing_rate_map_title)
    else:
        axes = figure.add_subplot()
    draw_raster(axes, values)
    label(axes, title, xlabel, ylabel)
    open_spines(axes)
    set_ticks(axes, int_x_ticks, int_y_ticks, rows=values.shape[1])
    figure.sca(axes)
    return figure, axes


def _draw_rates(axes: "Axes", spikes: Array, title: str) -> None:
    rates = spikes.mean(axis=0)
    N = rates.size
    image = axes.imshow(rates[:, None], aspect="auto", cmap=COLORMAP, vmin=0, vmax=rates.max() or 1)
    label(axes, title)
    set_ticks(axes, int_x=True, int_y=True)
    axes.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)

    row_points = 0.8 * float(figure_of(axes).get_size_inches()[1]) * 72 / N
    size = min(0.9 * font_size(axes), 0.7 * row_points)
    if size < _SMALLEST * font_size(axes):
        color_bar(image, axes, width=0.3)
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
