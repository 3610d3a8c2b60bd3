"""The look that all pictures share: figure, font sizes, spines, ticks, colour bar."""

from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from bitspike._extras import require

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
    """Import pyplot, or raise ImportError with the command that installs it."""
    require("matplotlib", extra="plot", purpose="bitspike.visualizing")
    import matplotlib.pyplot as plt

    return plt


def new_figure(figsize: tuple[float, float] | None, dpi: float) -> "Figure":
    """Open a pyplot figure with a tight layout, of ``figsize`` inches (None: matplotlib's)."""
    figure: Figure = pyplot().figure(figsize=figsize, dpi=dpi, layout="tight")
    return figure


def figure_of(axes: "Axes") -> "Figure":
    """Return the figure that ``axes`` were added to."""
    return cast("Figure", axes.figure)


def font_size(axes: "Axes") -> float:
    """Return a font size in points that is readable when the figure is shown 800 pixels wide."""
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
    """Return a locator of few, round ticks, at integers only if asked.

    Up to 16 entries along an axis of ``length`` entries get a tick each.
    """
    from matplotlib.ticker import MaxNLocator

    nbins: Any = length if length is not None and length <= _SINGLE_TICKS else "auto"
    steps = [1, 2, 5, 10] if integer else [1, 2, 2.5, 5, 10]
    return MaxNLocator(nbins=nbins, integer=integer, steps=steps, min_n_ticks=1)


def set_ticks(axes: "Axes", int_x: bool, int_y: bool, rows: int | None = None) -> None:
    """Place the ticks of axes whose y axis counts ``rows`` entries."""
    from matplotlib.ticker import NullLocator

    axes.xaxis.set_major_locator(locator(int_x))
    axes.yaxis.set_major_locator(locator(int_y, rows if int_y else None))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def row_interpolation(rows: int) -> str | None:
    """Choose how an image shrinks: smoothly, but never by mixing a few neighbouring rows."""
    return "nearest" if rows <= _SHARP_ROWS else None


def color_bar(image: Any, axes: "Axes", text: str = "", width: float = 0.03) -> "Colorbar":
    """Draw the colour scale of ``image`` to the right of its axes, in a share of their width."""
    size = font_size(axes)
    beside = axes.inset_axes((1 + 0.6 * width, 0, width, 1))
    bar = figure_of(axes).colorbar(image, cax=beside)
    bar.set_label(text, fontsize=1.05 * size, labelpad=0.5 * size)
    beside.tick_params(labelsize=0.9 * size, width=0.6, length=0.25 * size)
    beside.yaxis.set_major_locator(locator(integer=False))
    bar.outline.set_linewidth(0.6)
    return bar
