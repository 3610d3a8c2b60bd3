"""The images that all suites use."""

import warnings
from functools import cache

from torch import Tensor

from bitspike.datasets import MNIST, DatasetNote, ImageDataset


@cache
def mnist(train: bool = True) -> ImageDataset:
    """Return real MNIST, downloaded if necessary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetNote)
        return MNIST(train=train)


def batch(size: int) -> tuple[Tensor, Tensor]:
    """Return the first images ``[B, 1, 28, 28]`` and labels ``[B]`` of the training set."""
    return mnist()[:size]
