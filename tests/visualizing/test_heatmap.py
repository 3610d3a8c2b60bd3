from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_array_equal

from bitspike.visualizing import plot_2d_heatmap

Ticks = Callable[[Axes, str], np.ndarray]


def test_draws_the_array(rng: np.random.Generator) -> None:
    v = rng.normal(size=(50, 10))
    figure, axes = plot_2d_heatmap(v, "Potentials", "step", "neuron", dpi=40)
    figure.canvas.draw()
    assert_array_equal(axes.images[0].get_array(), v.T)
    assert list(axes.images[0].get_extent()) == [-0.5, 49.5, 9.5, -0.5]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == (
        "Potentials",
        "step",
        "neuron",
    )
    assert tuple(figure.get_size_inches()) == (12, 8)


def test_few_neurons_each_get_a_tick(ticks: Ticks) -> None:
    _, axes = plot_2d_heatmap(np.eye(100, 10), "", "", "", dpi=40)
    assert_array_equal(ticks(axes, "y"), np.arange(10))
    x = ticks(axes, "x")
    assert_array_equal(x, x.round())
    assert 3 <= x.size <= 12


@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (2, 1), (3, 2), (1000, 3)])
def test_ticks_are_integers_at_any_size(shape: tuple[int, int], ticks: Ticks) -> None:
    _, axes = plot_2d_heatmap(np.ones(shape), "", "", "", dpi=40)
    for which in "xy":
        positions = ticks(axes, which)
        assert positions.size >= 1
        assert_array_equal(positions, positions.round())


def test_ticks_may_be_fractions(ticks: Ticks) -> None:
    _, axes = plot_2d_heatmap(
        np.ones((2, 2)), "", "", "", int_x_ticks=False, int_y_ticks=False, dpi=40
    )
    for which in "xy":
        positions = ticks(axes, which)
        assert (positions != positions.round()).any()


@pytest.mark.parametrize("wanted", [True, False])
def test_colour_bar(wanted: bool) -> None:
    _, axes = plot_2d_heatmap(
        np.eye(4), "", "", "", plot_colorbar=wanted, colorbar_y_label="volt", dpi=40
    )
    assert [child.get_ylabel() for child in axes.child_axes] == (["volt"] if wanted else [])


def test_x_max_is_the_right_edge() -> None:
    _, axes = plot_2d_heatmap(np.ones((100, 10)), "", "", "", x_max=100, dpi=40)
    left, right = axes.get_xlim()
    assert right == 100
    assert left == pytest.approx(-0.5, abs=0.01)


def test_x_max_keeps_the_first_step_at_zero() -> None:
    _, axes = plot_2d_heatmap(np.ones((4, 1)), "", "", "", x_max=0.35, dpi=40)
    left, right = axes.get_xlim()
    assert [left, right] == pytest.approx([-0.05, 0.35])


@pytest.mark.parametrize("x_max", [0, -1, float("nan"), float("inf")])
def test_x_max_must_be_positive(x_max: float) -> None:
    with pytest.raises(ValueError, match="plot_2d_heatmap: x_max must be a positive number"):
        plot_2d_heatmap(np.ones((2, 2)), "", "", "", x_max=x_max)


def test_nan_is_a_gap() -> None:
    v = np.array([[0.0, np.nan], [1.0, 2.0]])
    figure, axes = plot_2d_heatmap(v, "", "", "", dpi=40)
    figure.canvas.draw()
    drawn = axes.images[0].get_array()
    assert drawn is not None
    assert_array_equal(np.ma.getmaskarray(drawn), np.isnan(v.T))
    assert axes.images[0].get_clim() == (0, 2)


def test_nothing_but_nan_is_refused() -> None:
    with pytest.raises(ValueError, match=r"plot_2d_heatmap: .*\[2, 3\] holds nothing but NaN"):
        plot_2d_heatmap(np.full((2, 3), np.nan), "", "", "")


def test_neighbouring_rows_stay_apart_when_time_is_squeezed() -> None:
    v = np.zeros((5000, 2))
    v[:, 1] = 1
    figure, axes = plot_2d_heatmap(v, "", "", "", figsize=(4, 3), dpi=50)
    for line in axes.collections:
        line.set_visible(False)
    canvas: Any = figure.canvas
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    box = axes.get_window_extent()
    column = pixels[:, round(box.x0 + box.width / 2)]
    inside = column[len(column) - int(box.y1) + 2 : len(column) - int(box.y0) - 2]
    assert len(np.unique(inside, axis=0)) == 2
