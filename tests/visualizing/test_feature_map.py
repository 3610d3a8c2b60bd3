import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bitspike.visualizing import plot_2d_feature_map


@pytest.mark.parametrize("space", [0, 1, 2, 3])
def test_maps_lie_in_reading_order(space: int, rng: np.random.Generator) -> None:
    maps = rng.random((6, 4, 5))
    figure, axes = plot_2d_feature_map(maps, 2, 3, space, "Maps", dpi=40)
    figure.canvas.draw()
    sheet: np.ndarray = np.ma.filled(np.ma.asarray(axes.images[0].get_array()), np.nan)
    assert sheet.shape == (2 * (4 + space), 3 * (5 + space))
    for index, one in enumerate(maps):
        top = (index // 3) * (4 + space) + space // 2
        left = (index % 3) * (5 + space) + space // 2
        assert_array_equal(sheet[top : top + 4, left : left + 5], one)
    assert np.isfinite(sheet).sum() == maps.size
    assert axes.get_title() == "Maps"


def test_spikes_need_no_scale_and_rates_do(rng: np.random.Generator) -> None:
    maps = rng.random((4, 3, 3))
    _, spikes = plot_2d_feature_map(maps > 0.5, 2, 2, 1, "", dpi=40)
    _, rates = plot_2d_feature_map(maps, 2, 2, 1, "", dpi=40)
    assert (len(spikes.child_axes), len(rates.child_axes)) == (0, 1)


@pytest.mark.parametrize(("nrows", "ncols"), [(2, 2), (3, 3), (0, 6), (-2, -3)])
def test_the_grid_must_hold_every_channel(nrows: int, ncols: int) -> None:
    with pytest.raises(ValueError, match=r"plot_2d_feature_map: a grid .* 6 channels of x3d \[6"):
        plot_2d_feature_map(np.ones((6, 2, 2)), nrows, ncols, 1, "")


def test_space_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match="plot_2d_feature_map: space must not be negative, got -1"):
        plot_2d_feature_map(np.ones((1, 2, 2)), 1, 1, -1, "")
