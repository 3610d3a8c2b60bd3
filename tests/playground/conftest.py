from pathlib import Path

import pytest
import torch

from bitspike.examples.lif_fc_mnist import Options
from bitspike.playground import Model, Stage

QUICK = Options(T=20, lr=2e-3)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, mnist_root: Path) -> Path:
    """A folder as the playground leaves it behind after training."""
    folder = tmp_path_factory.mktemp("playground")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    stage = Stage([], folder, mnist_root, QUICK)
    stage.open()
    stage.wait(200)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def model(cache: Path) -> Model:
    return Model.read(cache / f"mnist_T{QUICK.T}.pth", "a network")


@pytest.fixture
def stage(model: Model, cache: Path, mnist_root: Path) -> Stage:
    """A stage with one network, ready."""
    stage = Stage([model], cache, mnist_root)
    stage.open()
    stage.wait(60)
    return stage
