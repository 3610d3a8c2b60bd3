"""The look that all pictures share: figure, font sizes, spines, ticks, colour bar."""

from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

COLORMAP = "viridis"
INK = "#31497e"
ACCENT = "#d1495b"
CALM = "#3a9d8f"

_SINGLE_TICKS = 16
_SHARP_ROWS = 64


def pyplot() -> ModuleType:
    """Import pyplot when it is needed.

    Raises:
        ImportError: Matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ImportError(
            "bitspike.visualizing draws with matplotlib, which is not installed. "
            'Install it with: pip install "bitspike[plot]"'
        ) from error
    return plt


def new_figure(figsize: tuple[float, float] | None, dpi: float) -> "Figure":
    """Open a pyplot figure whose layout is tight.

    Args:
        figsize: Width and height in inches; ``None`` takes matplotlib's default.
        dpi: Dots per inch.
    """
    figure: Figure = pyplot().figure(figsize=figsize, dpi=dpi, layout="tight")
    return figure


def figure_of(axes: "Axes") -> "Figure":
    """Return the figure that ``axes`` were added to."""
    return cast("Figure", axes.figure)


def font_size(axes: "Axes") -> float:
    """Font size in points that stays readable when the figure is shown 800 pixels wide."""
    import matplotlib as mpl

    width, height = figure_of(axes).get_size_inches()
    scale = max(0.7, min(float(width), 1.5 * float(height)) / 7.5)
    return float(mpl.rcParams["font.size"]) * scale


def label(axes: "Axes", title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Write title and axis labels, thin the spines, size the tick labels."""
    size = font_size(axes)
    axes.set_title(title, fontsize=1.2 * size, pad=0.7 * size)
    axes.set_xlabel(xlabel, fontsize=1.05 * size)
    axes.set_ylabel(ylabel, fontsize=1.05 * size)
    axes.tick_params(labelsize=0.9 * size, width=0.6, length=0.25 * size)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)


def open_spines(axes: "Axes") -> None:
    """Leave only the left and the bottom spine."""
    axes.spines[["top", "right"]].set_visible(False)


def locator(integer: bool, length: int | None = None) -> Any:
    """Tick positions: few, round, and integers if asked.

    Args:
        integer: Whether only integers may carry a tick.
        length: Number of entries along the axis; up to 16 of them each get a tick.
    """
    from matplotlib.ticker import MaxNLocator

    nbins: Any = length if length is not None and length <= _SINGLE_TICKS else "auto"
    steps = [1, 2, 5, 10] if integer else [1, 2, 2.5, 5, 10]
    return MaxNLocator(nbins=nbins, integer=integer, steps=steps, min_n_ticks=1)


def row_interpolation(rows: int) -> str | None:
    """Choose how an image shrinks: smoothly, but never by mixing a few neighbouring rows."""
    return "nearest" if rows <= _SHARP_ROWS else None


def set_ticks(axes: "Axes", int_x: bool, int_y: bool, rows: int | None = None) -> None:
    """Place the ticks of an axes whose y axis counts ``rows`` entries."""
    from matplotlib.ticker import NullLocator

    axes.xaxis.set_major_locator(locator(int_x))
    axes.yaxis.set_major_locator(locator(int_y, rows if int_y else None))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def color_bar(image: Any, axes: "Axes", text: str = "", width: float = 0.03) -> "Colorbar":
    """Draw a slim colour bar, as high as ``axes``, to the right of them.

    Args:
        image: What the colours belong to.
        axes: Axes of the image.
        text: Label of the scale.
        width: Width as a fraction of that of ``axes``.
    """
    size = font_size(axes)
    beside = axes.inset_axes((1 + 0.6 * width, 0, width, 1))
    bar = figure_of(axes).colorbar(image, cax=beside)
    bar.set_label(text, fontsize=1.05 * size, labelpad=0.5 * size)
    beside.tick_params(labelsize=0.9 * size, width=0.6, length=0.25 * size)
    beside.yaxis.set_major_locator(locator(integer=False))
    bar.outline.set_linewidth(0.6)
    return bar
