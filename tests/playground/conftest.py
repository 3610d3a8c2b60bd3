from pathlib import Path

import pytest
import torch

from bitspike import kernels
from bitspike.datasets import MNIST
from bitspike.playground import Stage
from bitspike.playground._model import Model, read
from bitspike.playground._train import Recipe, train

QUICK = Recipe(T=20)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, mnist_root: Path) -> Path:
    """A folder as the playground leaves it behind after training."""
    folder = tmp_path_factory.mktemp("playground")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with kernels.use_backend("numba"):
        train(MNIST(mnist_root), folder / f"mnist_T{QUICK.T}.pth", QUICK, lambda _: True)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def model(cache: Path) -> Model:
    return read(cache / f"mnist_T{QUICK.T}.pth", "a network")


@pytest.fixture
def stage(model: Model, cache: Path, mnist_root: Path) -> Stage:
    """A stage with one network, ready."""
    stage = Stage([model], cache, mnist_root)
    stage.open()
    stage.wait(60)
    return stage
