"""Test accuracies of several runs in one picture."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bitspike.visualizing._accuracy import percent, set_limits
from bitspike.visualizing._arrays import ArrayLike
from bitspike.visualizing._figure import font_size, label, new_figure, open_spines, set_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKED_EPOCHS = 30


def plot_runs(
    runs: Mapping[str, ArrayLike],
    title: str = "Test accuracy",
    figsize: tuple[float, float] = (9, 6),
    dpi: int = 150,
) -> "Figure":
    """Draw the test accuracy of each run in percent; the legend says which was best, and when.

    Args:
        runs: name of each run, and its accuracies ``[E]`` after each epoch, fractions in
            ``[0, 1]``. Runs may differ in length.
        title: Title.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        The figure. Epochs count from 1.

    Raises:
        ValueError: There are no runs, or the accuracies of one are not ``[E]``, are empty, not
            finite or outside ``[0, 1]``.
        ImportError: Matplotlib is not installed.
    """
    if not runs:
        raise ValueError("plot_runs: runs is empty; there must be at least one")
    curves = {name: percent(values, "plot_runs", name) for name, values in runs.items()}
    longest = max(values.size for values in curves.values())

    figure = new_figure(figsize, dpi)
    axes = figure.add_subplot()
    size = font_size(axes)
    for name, values in curves.items():
        best = int(values.argmax())
        axes.plot(
            np.arange(1, values.size + 1),
            values,
            label=f"{name}: {values[best]:.2f} % (epoch {best + 1})",
            linewidth=0.15 * size,
            marker="o" if longest <= _MARKED_EPOCHS else "",
            markersize=0.3 * size,
        )
    set_limits(axes, np.concatenate([*curves.values()]), longest)
    label(axes, title, "epoch", "accuracy (%)")
    open_spines(axes)
    set_ticks(axes, int_x=True, int_y=False)
    axes.grid(axis="y", color="0.5", alpha=0.2, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(edgecolor="none", framealpha=0.9, fontsize=0.9 * size, loc="best")
    return figure
