"""Training and test accuracy over the epochs."""

from typing import TYPE_CHECKING

import numpy as np

from bitspike.visualizing._arrays import Array, ArrayLike, checked, shape_text
from bitspike.visualizing._figure import (
    ACCENT,
    INK,
    font_size,
    label,
    new_figure,
    open_spines,
    set_ticks,
)

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
        ValueError: One of them is not ``[E]``, is empty, not finite or outside ``[0, 1]``, or
            their lengths differ.
        ImportError: Matplotlib is not installed.
    """
    train = percent(train_acc, "plot_accuracy", "train_acc")
    test = percent(test_acc, "plot_accuracy", "test_acc")
    if train.size != test.size:
        raise ValueError(
            f"plot_accuracy: train_acc and test_acc must have one value per epoch each, "
            f"got {shape_text(train.shape)} and {shape_text(test.shape)}"
        )
    figure = new_figure(figsize, dpi)
    axes = figure.add_subplot()
    size = font_size(axes)
    marker = "o" if train.size <= _MARKED_EPOCHS else ""
    epochs = np.arange(1, train.size + 1)
    for values, name, color in ((train, "train", "0.6"), (test, "test", INK)):
        axes.plot(
            epochs,
            values,
            label=name,
            color=color,
            linewidth=0.15 * size,
            marker=marker,
            markersize=0.3 * size,
        )
    _mark_best(axes, test, size)
    set_limits(axes, np.concatenate([train, test]), train.size)
    label(axes, title, "epoch", "accuracy (%)")
    open_spines(axes)
    set_ticks(axes, int_x=True, int_y=False)
    axes.grid(axis="y", color="0.5", alpha=0.2, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(edgecolor="none", framealpha=0.9, fontsize=size, loc="best")
    return figure


def percent(x: ArrayLike, function: str, name: str) -> Array:
    """Check accuracies ``[E]``, fractions in ``[0, 1]``, and turn them into percent."""
    values = checked(x, function, name, ("E",))
    if values.min() < 0 or values.max() > 1:
        outside = values[(values < 0) | (values > 1)][0]
        raise ValueError(
            f"{function}: {name} of shape {shape_text(values.shape)} must hold fractions in "
            f"[0, 1], found {outside:g}; divide percentages by 100"
        )
    return 100 * values


def _mark_best(axes: "Axes", test: Array, size: float) -> None:
    best = int(test.argmax()) + 1
    axes.plot(
        [best],
        [test[best - 1]],
        label=f"best test: {test[best - 1]:.2f} % (epoch {best})",
        linestyle="",
        marker="o",
        markersize=0.75 * size,
        markerfacecolor="none",
        markeredgecolor=ACCENT,
        markeredgewidth=0.13 * size,
    )


def set_limits(axes: "Axes", values: Array, epochs: int) -> None:
    """Leave room around ``values`` percent, without going far beyond 0 and 100."""
    low, high = float(values.min()), float(values.max())
    room = max(0.08 * (high - low), 0.5)
    axes.set_ylim(max(0.0, low - 2 * room), min(100.0 + 0.5 * room, high + room))
    side = 0.5 if epochs == 1 else 0.03 * (epochs - 1)
    axes.set_xlim(1 - side, epochs + side)
