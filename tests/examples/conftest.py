"""Runs of the tutorial program that tests share."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.examples.tutorial import SMALL, Program, Run

from bitspike.datasets import ImageDataset
from bitspike.examples import lif_fc_mnist
from bitspike.examples.lif_fc_mnist import Options

Refused = Callable[..., str]


@pytest.fixture(scope="session")
def mnist(mnist_root: Path) -> tuple[ImageDataset, ImageDataset]:
    """All training and test images, read once."""
    return lif_fc_mnist.load_data(Options(data_dir=str(mnist_root)))


@pytest.fixture(scope="session")
def program(mnist: tuple[ImageDataset, ImageDataset]) -> Program:
    """On the eager backend, which starts at once: for all that has nothing to do with it."""
    return Program(*mnist, backend="eager")


@pytest.fixture(scope="session")
def default_program(mnist: tuple[ImageDataset, ImageDataset]) -> Program:
    """On the backend that a user gets."""
    return Program(*mnist, backend="auto")


@pytest.fixture(scope="session")
def small() -> list[str]:
    """Options of a run of 10 small batches an epoch; ``-epochs`` is up to the test."""
    return SMALL


@pytest.fixture(scope="session")
def reference(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three epochs in one go, undisturbed."""
    folder = tmp_path_factory.mktemp("reference")
    assert program.here(*SMALL, "-epochs", "3", "-out-dir", folder) == 0
    return program.only(folder)


@pytest.fixture
def refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Refused:
    """Runs the program in an empty folder, sees to the general rules, returns the message."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(lif_fc_mnist, "train_epoch", lambda *_: pytest.fail("it trains"))

    def run(*argv: str | Path) -> str:
        before = sorted(tmp_path.rglob("*"))
        try:
            code: Any = lif_fc_mnist.main([str(arg) for arg in argv])
        except SystemExit as stopped:
            code = stopped.code
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert sorted(tmp_path.rglob("*")) == before
        assert err.startswith("lif_fc_mnist: error: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        return err.removeprefix("lif_fc_mnist: error: ").removesuffix("\n")

    return run


@pytest.fixture
def checkpoint(reference: Run, tmp_path: Path) -> Path:
    """A copy of a good checkpoint, to be made a bad one."""
    (tmp_path / "old").mkdir()
    return Path(shutil.copy(reference.latest, tmp_path / "old"))
