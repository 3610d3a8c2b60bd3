"""Drawings become images as MNIST has them."""

from pathlib import Path

import numpy as np
import pytest

from bitspike.datasets import MNIST, centre_drawing


def test_a_bar_fills_the_box_and_is_centred() -> None:
    drawing = np.zeros((150, 90), np.uint8)
    drawing[30:130, 40:60] = 255  # 100 high, 20 wide: a fifth in each direction, 20 x 4
    image = centre_drawing(drawing)
    expected = np.zeros((28, 28), np.float32)
    expected[4:24, 12:16] = 1
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_the_centre_is_that_of_mass() -> None:
    drawing = np.zeros((100, 100), np.uint8)
    drawing[10:90, 10:30] = 200
    drawing[70:90, 10:60] = 120
    image = centre_drawing(drawing).astype(float)
    for axis in (0, 1):
        mass = image.sum(1 - axis)
        assert (mass * (np.arange(28) + 0.5)).sum() / mass.sum() == pytest.approx(14.5, abs=0.5)


def test_where_it_stands_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    patch = rng.integers(50, 255, (37, 21), dtype=np.uint8)
    images = []
    for top, left in ((0, 0), (60, 100)):
        drawing = np.zeros((100, 130), np.uint8)
        drawing[top : top + 37, left : left + 21] = patch
        images.append(centre_drawing(drawing))
    np.testing.assert_allclose(images[0], images[1], atol=1e-6)


def test_nothing_drawn() -> None:
    assert not centre_drawing(np.full((9, 5), 8, np.uint8)).any()


def test_images_of_mnist_stay_what_they_are(mnist_root: Path) -> None:
    test = MNIST(mnist_root, train=False).head(200)
    for image in test.images[:, 0].numpy():
        ink = np.where(image > 8, image, 0) / 255
        np.testing.assert_allclose(centre_drawing(image), ink, atol=1e-6)
        large = centre_drawing(image.repeat(3, 0).repeat(3, 1))
        np.testing.assert_allclose(large, ink, atol=1e-6)
