from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from mpl_toolkits.mplot3d.proj3d import proj_transform
from numpy.testing import assert_array_equal

from bitspike.visualizing import plot_2d_bar_in_3d

Ticks = Callable[[Axes, str], np.ndarray]


def projected(axes: Any, corners: list[tuple[float, float, float]]) -> set[tuple[float, float]]:
    x, y, _ = proj_transform(*np.array(corners).T, axes.get_proj())
    return {(round(a, 9), round(b, 9)) for a, b in zip(x, y, strict=True)}


def test_every_bar_stands_where_it_belongs(rng: np.random.Generator) -> None:
    array = rng.random((3, 4))
    figure, axes = plot_2d_bar_in_3d(array, "Rates", "neuron", "epoch", "rate", dpi=40)
    figure.canvas.draw()
    (collection,) = axes.collections
    assert len(collection.get_paths()) == 12
    drawn = {
        (round(x, 9), round(y, 9))
        for path in collection.get_paths()
        for x, y in np.asarray(path.vertices)
    }
    wanted = [
        (float(n), t + side, height)
        for t, row in enumerate(array)
        for n, z in enumerate(row)
        for side in (-0.4, 0.4)
        for height in (0.0, float(z))
    ]
    assert drawn == projected(axes, wanted)
    space: Any = axes
    labels = (space.get_xlabel(), space.get_ylabel(), space.get_zlabel())
    assert (space.get_title(), *labels) == ("Rates", "neuron", "epoch", "rate")


def test_ticks_count_neurons_and_epochs(ticks: Ticks) -> None:
    _, axes = plot_2d_bar_in_3d(np.ones((5, 10)), "", "", "", "", dpi=40)
    assert_array_equal(ticks(axes, "x"), np.arange(10))
    assert_array_equal(ticks(axes, "y"), np.arange(5))


def test_height_ticks_are_integers_on_request(ticks: Ticks) -> None:
    array = np.array([[0.0, 3.3]])
    _, free = plot_2d_bar_in_3d(array, "", "", "", "", dpi=40)
    _, whole = plot_2d_bar_in_3d(array, "", "", "", "", int_z_ticks=True, dpi=40)
    assert (ticks(free, "z") % 1 != 0).any()
    assert (ticks(whole, "z") % 1 == 0).all()


@pytest.mark.parametrize(
    ("low", "high", "limits"), [(0, 0, (0, 1)), (-2, -1, (-2, 0)), (1, 2, (0, 2))]
)
def test_the_ground_is_always_in_view(low: float, high: float, limits: tuple[float, float]) -> None:
    _, axes = plot_2d_bar_in_3d(np.array([[low, high]]), "", "", "", "", dpi=40)
    space: Any = axes
    assert space.get_zlim() == limits
