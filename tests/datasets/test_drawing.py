"""Drawings become images as MNIST has them."""

from pathlib import Path

import numpy as np
import pytest

from bitspike.datasets import MNIST, centre_drawing


def test_a_bar_fills_the_box_and_is_centred_in_pixel_14() -> None:
    drawing = np.zeros((150, 90), np.uint8)
    drawing[30:130, 40:60] = 255  # 100 high, 20 wide: a fifth in each direction, 20 x 4
    down, across = np.zeros(28), np.zeros(28)
    down[5:24], across[13:16] = 1, 1
    down[[4, 24]], across[[12, 16]] = 0.5, 0.5
    np.testing.assert_allclose(centre_drawing(drawing), np.outer(down, across), atol=1e-6)


def test_the_centre_is_that_of_mass() -> None:
    drawing = np.zeros((100, 100), np.uint8)
    drawing[10:90, 10:30] = 200
    drawing[70:90, 10:60] = 120
    image = centre_drawing(drawing).astype(float)
    for axis in (0, 1):
        mass = image.sum(1 - axis)
        assert (mass * (np.arange(28) + 0.5)).sum() / mass.sum() == pytest.approx(14.5, abs=1e-4)


def test_where_it_stands_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    patch = rng.integers(50, 255, (37, 21), dtype=np.uint8)
    images = []
    for top, left in ((0, 0), (60, 100)):
        drawing = np.zeros((100, 130), np.uint8)
        drawing[top : top + 37, left : left + 21] = patch
        images.append(centre_drawing(drawing))
    np.testing.assert_allclose(images[0], images[1], atol=1e-6)


@pytest.mark.parametrize(
    ("top", "left", "side"), [(0, 0, 40), (33, 71, 40), (5, 60, 20), (0, 0, 1)]
)
def test_a_square_becomes_the_box_of_20_in_the_middle(top: int, left: int, side: int) -> None:
    drawing = np.zeros((112, 112), np.uint8)
    drawing[top : top + side, left : left + side] = 255
    line = np.zeros(28)
    line[5:24], line[[4, 24]] = 1, 0.5  # the middle is that of pixel 14
    np.testing.assert_allclose(centre_drawing(drawing), np.outer(line, line), atol=1e-6)


def test_nothing_drawn() -> None:
    image = centre_drawing(np.full((9, 5), 8, np.uint8))
    assert image.shape == (28, 28)
    assert image.dtype == np.float32
    assert not image.any()


def test_images_of_mnist_hardly_move(mnist_root: Path) -> None:
    """They are off by half a pixel at most, and by nothing in the mean."""
    test = MNIST(mnist_root, train=False).head(1000)
    at, moved = np.arange(28), []
    for image in test.images[:, 0].numpy():
        ink, centred = np.where(image > 8, image, 0) / 255, centre_drawing(image)
        assert centred.sum() == pytest.approx(ink.sum(), rel=0.03)  # little lies beyond the edge
        moved.append((centred.sum(0) @ at - ink.sum(0) @ at) / ink.sum())
    assert np.abs(moved).max() < 0.51
    assert np.mean(moved) == pytest.approx(0, abs=0.03)
