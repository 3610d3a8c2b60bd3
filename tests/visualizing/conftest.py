from collections.abc import Callable, Iterator

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure


@pytest.fixture(autouse=True)
def _no_screen() -> Iterator[None]:
    mpl.use("agg")
    yield
    plt.close("all")


@pytest.fixture
def ticks() -> Callable[[Axes, str], np.ndarray]:
    """Draw the figure, then return the tick positions inside the view of one axis."""

    def visible(axes: Axes, which: str) -> np.ndarray:
        figure = axes.figure
        assert isinstance(figure, Figure)
        figure.canvas.draw()
        axis = getattr(axes, f"{which}axis")
        low, high = sorted(axis.get_view_interval())
        positions: np.ndarray = np.asarray(axis.get_majorticklocs())
        inside: np.ndarray = positions[(positions >= low) & (positions <= high)]
        return inside

    return visible


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
