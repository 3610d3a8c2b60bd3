from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from numpy.testing import assert_array_equal

from bitspike.visualizing import plot_input

Ticks = Callable[[Axes, str], np.ndarray]


@pytest.mark.parametrize("image_shape", [(3, 4), (1, 3, 4)])
@pytest.mark.parametrize("tail", [(12,), (3, 4), (1, 3, 4)])
def test_image_raster_and_rates(
    image_shape: tuple[int, ...], tail: tuple[int, ...], rng: np.random.Generator
) -> None:
    image = rng.random((3, 4))
    spikes = rng.random((50, 12)) < image.reshape(-1)
    figure = plot_input(
        torch.from_numpy(image.reshape(image_shape)),
        torch.from_numpy(spikes.reshape(50, *tail)),
        title="Input",
        dpi=40,
    )
    figure.canvas.draw()
    left, middle, right = figure.axes
    assert_array_equal(left.images[0].get_array(), image)
    assert_array_equal(right.images[0].get_array(), spikes.mean(axis=0).reshape(3, 4))
    assert left.images[0].get_clim() == right.images[0].get_clim() == (0, 1)
    (ticks,) = (c for c in middle.collections if c.get_label() == "spikes")
    assert len(ticks.get_paths()) == spikes.sum()
    assert (middle.get_xlabel(), middle.get_ylabel()) == ("time step", "pixel index")
    assert middle.get_title() == f"{spikes.sum()} spikes in 50 steps"
    assert figure.get_suptitle() == "Input"


def test_panels_of_a_digit_are_equally_high(rng: np.random.Generator, ticks: Ticks) -> None:
    image = rng.random((28, 28))
    spikes = rng.random((100, 784)) < image.reshape(-1)
    figure = plot_input(image, spikes, figsize=(12, 6), dpi=40)
    figure.canvas.draw()
    left, middle, right = (axes.get_window_extent() for axes in figure.axes)
    for other in (middle, right):
        assert (other.y0, other.y1) == (
            pytest.approx(left.y0, abs=1),
            pytest.approx(left.y1, abs=1),
        )
    assert left.x1 < middle.x0 < middle.x1 < right.x0
    for which in "xy":
        positions = ticks(figure.axes[1], which)
        assert_array_equal(positions, positions.round())


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (1, 1, 3, 4)])
def test_image_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"plot_input: image must have shape \[H, W\] or \[1, H, W"
    ):
        plot_input(np.zeros(shape), np.zeros((5, 12)))


@pytest.mark.parametrize("shape", [(12,), (5, 11), (5, 4, 3), (5, 2, 3, 4), (5, 1, 1, 3, 4)])
def test_spikes_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"plot_input: spikes must have shape \[T, 12\]"):
        plot_input(np.zeros((3, 4)), np.zeros(shape))


def test_no_time_steps() -> None:
    with pytest.raises(ValueError, match=r"plot_input: spikes has shape \[0, 12\]"):
        plot_input(np.zeros((3, 4)), np.zeros((0, 12)))


@pytest.mark.parametrize("value", [255.0, -0.5])
def test_image_range(value: float) -> None:
    with pytest.raises(ValueError, match=r"plot_input: image of shape \[1, 2\] must lie in \[0, 1"):
        plot_input(np.array([[0.5, value]]), np.zeros((5, 2)))


def test_spikes_are_zero_or_one() -> None:
    with pytest.raises(ValueError, match=r"plot_input: spikes of shape \[5, 2\].*holds 3"):
        plot_input(np.zeros((1, 2)), np.full((5, 2), 3))
