import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.testing import assert_array_equal

from bitspike.visualizing import plot_1d_spikes

Ticks = Callable[[Axes, str], np.ndarray]


def drawn(axes: Axes) -> list[Any]:
    return [child for child in axes.get_children() if child.get_label() == "spikes"]


def test_one_tick_per_spike(rng: np.random.Generator) -> None:
    s = rng.random((100, 10)) < 0.2
    figure, axes = plot_1d_spikes(s, "Spikes", "step", "neuron", dpi=40)
    figure.canvas.draw()
    (collection,) = drawn(axes)
    assert isinstance(collection, LineCollection)
    segments = np.array(collection.get_segments())
    assert len(segments) == s.sum()
    x, y = segments[:, :, 0], segments[:, :, 1]
    assert_array_equal(x[:, 0], x[:, 1])
    centres = np.stack([x[:, 0], y.mean(1)], axis=1).round(9)
    assert {tuple(c) for c in centres} == {tuple(c) for c in np.argwhere(s).astype(float)}
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("Spikes", "step", "neuron")
    assert axes.get_xlim() == (-0.5, 99.5)
    assert axes.get_ylim() == (9.5, -0.5)


def test_one_dot_per_spike_when_rows_are_many(rng: np.random.Generator) -> None:
    s = rng.random((50, 100)) < 0.2
    _, axes = plot_1d_spikes(s, "", "", "", dpi=40)
    (line,) = drawn(axes)
    assert_array_equal(np.stack(line.get_data(), axis=1), np.argwhere(s))


def test_an_image_when_spikes_are_very_many(rng: np.random.Generator) -> None:
    s = rng.random((1000, 784)) < 0.3
    _, axes = plot_1d_spikes(s, "", "", "", dpi=40)
    (image,) = drawn(axes)
    assert_array_equal(image.get_array(), s.T)


def test_a_long_raster_of_few_neurons_shows_densities(rng: np.random.Generator) -> None:
    s = rng.random((30_001, 2)) < np.array([0.9, 0.2])
    _, axes = plot_1d_spikes(s, "", "", "", dpi=40)
    (image,) = drawn(axes)
    density = np.asarray(image.get_array())
    assert density.shape == (2, 2000)
    assert density.mean(axis=1) == pytest.approx(s.mean(axis=0), abs=1e-3)
    assert image.get_extent() == [-0.5, 30_000.5, 1.5, -0.5]


def test_firing_rates_are_drawn_and_written(rng: np.random.Generator) -> None:
    s = rng.random((40, 10)) < np.linspace(0, 1, 10)
    figure, axes = plot_1d_spikes(s, "", "", "", firing_rate_map_title="rate", dpi=40)
    (column,) = (other for other in figure.axes if other is not axes)
    assert column.get_title() == "rate"
    assert_array_equal(column.images[0].get_array(), s.mean(axis=0)[:, None])
    assert [text.get_text() for text in column.texts] == [f"{rate:.2f}" for rate in s.mean(axis=0)]
    assert column.get_ylim() == axes.get_ylim()


def test_many_rates_get_a_scale_instead_of_numbers() -> None:
    figure, axes = plot_1d_spikes(np.eye(100), "", "", "", dpi=40)
    (column,) = (other for other in figure.axes if other is not axes)
    assert not column.texts
    assert len(column.child_axes) == 1


def test_firing_rates_can_be_left_out() -> None:
    figure, axes = plot_1d_spikes(np.eye(5), "", "", "", plot_firing_rate=False, dpi=40)
    assert figure.axes == [axes]


def test_raster_and_rates_cover_the_same_height() -> None:
    figure, _ = plot_1d_spikes(np.eye(20, 10), "t", "x", "y", dpi=40)
    figure.canvas.draw()
    raster, column = (a.get_position() for a in figure.axes)
    assert (column.y0, column.y1) == (pytest.approx(raster.y0), pytest.approx(raster.y1))
    assert column.x0 > raster.x1


@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (100, 10), (7, 300)])
def test_silence_is_drawn_with_integer_ticks(shape: tuple[int, int], ticks: Ticks) -> None:
    _, axes = plot_1d_spikes(np.zeros(shape), "", "", "", dpi=40)
    for which in "xy":
        positions = ticks(axes, which)
        assert positions.size >= 1
        assert_array_equal(positions, positions.round())


@pytest.mark.parametrize("value", [0.5, 2, -1])
def test_only_zeros_and_ones(value: float) -> None:
    with pytest.raises(ValueError, match=rf"plot_1d_spikes: .*\[2, 2\].*holds {value:g}"):
        plot_1d_spikes(np.array([[0, 1], [value, 0]]), "", "", "")


def test_a_large_raster_is_quick(rng: np.random.Generator) -> None:
    s = rng.random((1000, 784)) < 0.1
    start = time.perf_counter()
    figure, _ = plot_1d_spikes(s, "", "", "")
    figure.canvas.draw()
    assert time.perf_counter() - start < 10
