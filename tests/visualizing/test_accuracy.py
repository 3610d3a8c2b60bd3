from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.testing import assert_array_equal

from bitspike.visualizing import plot_accuracy

Ticks = Callable[[Axes, str], np.ndarray]


def lines(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axes.lines}


def test_curves_are_percentages() -> None:
    figure = plot_accuracy([0.5, 0.75, 1.0], [0.25, 0.5, 0.375], dpi=40)
    (axes,) = figure.axes
    assert_array_equal(lines(axes)["train"].get_xydata(), [[1, 50], [2, 75], [3, 100]])
    assert_array_equal(lines(axes)["test"].get_xydata(), [[1, 25], [2, 50], [3, 37.5]])
    labels = (axes.get_title(), axes.get_xlabel(), axes.get_ylabel())
    assert labels == ("Accuracy", "epoch", "accuracy (%)")


def test_the_best_epoch_is_marked_and_named() -> None:
    figure = plot_accuracy([0.5, 0.6, 0.7, 0.8], [0.25, 0.9284, 0.5, 0.9284], dpi=40)
    (axes,) = figure.axes
    (name,) = (name for name in lines(axes) if name.startswith("best"))
    assert name == "best test: 92.84 % (epoch 2)"
    assert_array_equal(lines(axes)[name].get_xydata(), [[2, 92.84]])
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["train", "test", name]


@pytest.mark.parametrize("epochs", [1, 2, 5, 100])
def test_ticks_are_whole_epochs(epochs: int, ticks: Ticks) -> None:
    curve = np.linspace(0.8, 0.95, epochs)
    (axes,) = plot_accuracy(curve, curve, dpi=40).axes
    positions = ticks(axes, "x")
    assert positions.size >= 1
    assert_array_equal(positions, positions.round())


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_one_epoch_lies_inside_the_view(value: float) -> None:
    figure = plot_accuracy([value], [value], dpi=40)
    figure.canvas.draw()
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert 0 <= low <= 100 * value < high <= 101
    assert lines(axes)["test"].get_marker() == "o"


def test_epochs_must_agree() -> None:
    with pytest.raises(ValueError, match=r"plot_accuracy: .*\[2\] and \[1\]"):
        plot_accuracy([0.1, 0.2], [0.1])


@pytest.mark.parametrize("value", [92.5, -0.1])
def test_percentages_are_refused_with_advice(value: float) -> None:
    with pytest.raises(ValueError, match=rf"test_acc of shape \[2\].*holds {value}.*divide"):
        plot_accuracy([0.1, 0.2], [0.1, value])
