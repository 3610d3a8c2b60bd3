from pathlib import Path

import pytest

from bitspike.datasets import MNIST, download


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder with the real MNIST; fetched once, then found in the user's cache."""
    return download(MNIST)
