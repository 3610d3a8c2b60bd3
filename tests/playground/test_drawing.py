import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets import centre_drawing

from .digits import DIGITS, ink, moved


def test_pixels_are_means_of_the_area_that_they_cover() -> None:
    """One pixel of the image covers 2 x 2 of the drawing here: means can be counted by hand."""
    drawing = np.zeros((112, 112), np.uint8)
    drawing[10:50, 10:50] = 255  # 40 x 40: a scale of 2
    drawing[10:12, 10:12] = [[255, 0], [0, 0]]
    drawing[48:50, 48:50] = [[0, 0], [0, 255]]  # keeps the centre where it is
    image = centre_drawing(drawing)
    assert image[4, 4] == pytest.approx(0.25, abs=1e-6)
    assert image[24, 24] == pytest.approx(0.25, abs=1e-6)
    assert image[5, 5] == pytest.approx(0.75, abs=1e-6)


@given(st.sampled_from(sorted(DIGITS)), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_where_a_digit_is_drawn_does_not_matter(digit: int, dx: float, dy: float) -> None:
    here = centre_drawing(ink(DIGITS[digit]))
    there = centre_drawing(ink(moved(DIGITS[digit], 1, dx, dy)))
    assert np.abs(here - there).mean() < 0.02
    assert 20 < here.sum() < 300


@given(st.sampled_from(sorted(DIGITS)), st.floats(0.5, 0.9))
def test_neither_does_its_size_if_the_pen_follows(digit: int, scale: float) -> None:
    # Drawn finely: on the page's 112 pixels the extent of a small drawing is a pixel off in 45.
    big = centre_drawing(ink(DIGITS[digit], side=224))
    small = centre_drawing(ink(moved(DIGITS[digit], scale, 0, 0), side=224, pen=0.08 * scale))
    assert np.abs(big - small).mean() < 0.02


def test_faint_dirt_is_no_ink() -> None:
    clean = ink(DIGITS[3])
    dirty = clean.copy()
    dirty[0, 0] = 5
    np.testing.assert_array_equal(centre_drawing(dirty), centre_drawing(clean))
