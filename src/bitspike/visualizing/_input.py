"""An image beside the spikes that encode it."""

from typing import TYPE_CHECKING

from bitspike.visualizing._arrays import (
    Array,
    ArrayLike,
    check_spikes,
    check_values,
    shape_text,
    to_float,
)
from bitspike.visualizing._figure import (
    color_bar,
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

_FUNCTION = "plot_input"
_RASTER_WIDTH = 1.7


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
    picture = _image(image)
    trains = _trains(spikes, picture)

    figure = new_figure(figsize, dpi)
    grid = figure.add_gridspec(1, 3, width_ratios=[1, _RASTER_WIDTH, 1])
    left, middle, right = (figure.add_subplot(grid[i]) for i in range(3))
    figure.suptitle(title, fontsize=1.25 * font_size(left))
    _draw_grey(left, picture, "image")
    draw_raster(middle, trains)
    middle.set_box_aspect(1 / _RASTER_WIDTH)
    caption = f"{int(trains.sum()):,} spikes in {trains.shape[0]:,} steps"
    label(middle, caption, "time step", "pixel index")
    set_ticks(middle, int_x=True, int_y=True, rows=trains.shape[1])
    open_spines(middle)
    rates = trains.mean(axis=0).reshape(picture.shape)
    color_bar(_draw_grey(right, rates, "firing rate"), right, width=0.05)
    return figure


def _image(image: ArrayLike) -> Array:
    picture = to_float(image, _FUNCTION, "image")
    shape = shape_text(picture.shape)
    if picture.ndim == 3 and picture.shape[0] == 1:
        picture = picture[0]
    if picture.ndim != 2:
        raise ValueError(
            f"{_FUNCTION}: image must have shape [H, W] or [1, H, W], got {shape}; "
            f"pick one image of the batch and one channel of it"
        )
    check_values(picture, _FUNCTION, "image")
    if picture.min() < 0 or picture.max() > 1:
        raise ValueError(
            f"{_FUNCTION}: image of shape {shape} must lie in [0, 1], got values from "
            f"{picture.min():g} to {picture.max():g}; scale it as the encoder's input"
        )
    return picture


def _trains(spikes: ArrayLike, picture: Array) -> Array:
    trains = to_float(spikes, _FUNCTION, "spikes")
    H, W = picture.shape
    if trains.shape[1:] not in {(H * W,), (H, W), (1, H, W)}:
        raise ValueError(
            f"{_FUNCTION}: spikes must have shape [T, {H * W}], [T, {H}, {W}] or "
            f"[T, 1, {H}, {W}] to go with an image of {H} x {W}, got {shape_text(trains.shape)}; "
            f"pick one sample of the batch"
        )
    check_values(trains, _FUNCTION, "spikes")
    check_spikes(trains, _FUNCTION, "spikes")
    return trains.reshape(trains.shape[0], H * W)


def _draw_grey(axes: "Axes", values: Array, title: str) -> object:
    drawn = axes.imshow(values, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    label(axes, title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return drawn
