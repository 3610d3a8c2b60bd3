"""Accuracies over the epochs, of one run or of several."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bitspike.visualizing import _style as style
from bitspike.visualizing._arrays import Array, ArrayLike, check_array, shape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKED_EPOCHS = 30


def plot_accuracy(
    train_acc: ArrayLike,
    test_acc: ArrayLike,
    title: str = "Accuracy",
    figsize: tuple[float, float] = (9, 6),
    dpi: int = 150,
) -> "Figure":
    """Draw both accuracies in percent and mark the best test epoch.

    Args:
        train_acc: ``[E]`` training accuracy after each epoch, a fraction in ``[0, 1]``.
        test_acc: ``[E]`` test accuracy after each epoch, a fraction in ``[0, 1]``.
        title: Title.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        The figure. Epochs count from 1; of equally good ones the first is marked.

    Raises:
        ValueError: An argument is not ``[E]``, is empty, not finite or outside ``[0, 1]``, or
            their lengths differ.
        ImportError: Matplotlib is not installed.
    """
    train = _percent(train_acc, "plot_accuracy: train_acc")
    test = _percent(test_acc, "plot_accuracy: test_acc")
    if train.size != test.size:
        raise ValueError(
            f"plot_accuracy: train_acc and test_acc must have one value per epoch each, "
            f"got {shape_text(train.shape)} and {shape_text(test.shape)}"
        )
    figure = style.new_figure(figsize, dpi)
    axes = figure.add_subplot()
    size = style.font_size(axes)
    _draw_curve(axes, train, train.size, label="train", color="0.6")
    _draw_curve(axes, test, train.size, label="test", color=style.INK)
    best = int(test.argmax())
    axes.plot(
        [best + 1],
        [test[best]],
        label=f"best test: {test[best]:.2f} % (epoch {best + 1})",
        linestyle="",
        marker="o",
        markersize=0.75 * size,
        markerfacecolor="none",
        markeredgecolor=style.ACCENT,
        markeredgewidth=0.13 * size,
    )
    _finish(axes, title, np.concatenate([train, test]), train.size, size)
    return figure


def plot_runs(
    runs: Mapping[str, ArrayLike],
    title: str = "Test accuracy",
    figsize: tuple[float, float] = (9, 6),
    dpi: int = 150,
) -> "Figure":
    """Draw the test accuracy of each run in percent; the legend tells the best, and its epoch.

    Args:
        runs: Name of each run, and its accuracies ``[E]`` after each epoch, fractions in
            ``[0, 1]``. Runs may differ in length.
        title: Title.
        figsize: Width and height in inches.
        dpi: Dots per inch.

    Returns:
        The figure. Epochs count from 1.

    Raises:
        ValueError: There are no runs, or the accuracies of a run are not ``[E]``, are empty, not
            finite or outside ``[0, 1]``.
        ImportError: Matplotlib is not installed.
    """
    if not runs:
        raise ValueError("plot_runs: runs is empty; there must be at least one")
    curves = {name: _percent(values, f"plot_runs: {name}") for name, values in runs.items()}
    longest = max(values.size for values in curves.values())
    figure = style.new_figure(figsize, dpi)
    axes = figure.add_subplot()
    for name, values in curves.items():
        best = int(values.argmax())
        text = f"{name}: {values[best]:.2f} % (epoch {best + 1})"
        _draw_curve(axes, values, longest, label=text)
    _finish(axes, title, np.concatenate([*curves.values()]), longest, 0.9 * style.font_size(axes))
    return figure


def _percent(x: ArrayLike, argument: str) -> Array:
    """Return accuracies ``[E]`` in percent; raise ValueError unless they lie in ``[0, 1]``."""
    values = check_array(x, argument, ("E",))
    if values.min() < 0 or values.max() > 1:
        outside = values[(values < 0) | (values > 1)][0]
        raise ValueError(
            f"{argument} of shape {shape_text(values.shape)} must hold fractions in [0, 1], but "
            f"holds {outside:g}; divide percentages by 100"
        )
    return 100 * values


def _draw_curve(axes: "Axes", values: Array, epochs: int, **look: Any) -> None:
    """Draw one value for each epoch, with markers if the picture has few epochs."""
    size = style.font_size(axes)
    axes.plot(
        np.arange(1, values.size + 1),
        values,
        linewidth=0.15 * size,
        marker="o" if epochs <= _MARKED_EPOCHS else "",
        markersize=0.3 * size,
        **look,
    )


def _finish(axes: "Axes", title: str, values: Array, epochs: int, legend_size: float) -> None:
    """Set limits around ``values`` percent, not far beyond 0 and 100; add labels and a legend."""
    low, high = float(values.min()), float(values.max())
    room = max(0.08 * (high - low), 0.5)
    axes.set_ylim(max(0.0, low - 2 * room), min(100.0 + 0.5 * room, high + room))
    side = 0.5 if epochs == 1 else 0.03 * (epochs - 1)
    axes.set_xlim(1 - side, epochs + side)
    style.label(axes, title, "epoch", "accuracy (%)")
    style.open_spines(axes)
    style.set_ticks(axes, int_x=True, int_y=False)
    axes.grid(axis="y", color="0.5", alpha=0.2, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(edgecolor="none", framealpha=0.9, fontsize=legend_size, loc="best")
