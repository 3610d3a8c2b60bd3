"""The command line in this process, and a small trained network."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from tests.examples.tutorial import tiny_picture

from bitspike import kernels, visualizing
from bitspike.cli import main
from bitspike.datasets import MNIST
from bitspike.examples import lif_fc_mnist

T = 8
SMALL = ["-T", str(T), "-limit", "3000", "-lr", "0.01", "-epochs", "2", "-j", "0"]


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


Bitspike = Callable[..., Finished]


@pytest.fixture
def bitspike(capsys: pytest.CaptureFixture[str]) -> Bitspike:
    """Runs a command line in this process."""

    def run(*argv: str | Path) -> Finished:
        capsys.readouterr()
        code = main([str(arg) for arg in argv])
        return Finished(code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(bitspike: Bitspike) -> Callable[..., str]:
    """Runs a command line that must be refused in one line; returns that line."""

    def run(*argv: str | Path) -> str:
        done = bitspike(*argv)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"bitspike {argv[0]}: error: ")
        assert done.err.count("\n") == 1
        return done.err

    return run


@pytest.fixture(scope="session")
def trained(mnist_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is right about five images out of six."""
    out = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch, kernels.use_backend("eager"):
        whole = lif_fc_mnist.load_data
        patch.setattr(lif_fc_mnist, "load_data", lambda o: (whole(o)[0], whole(o)[1].head(500)))
        patch.setattr(visualizing, "save", tiny_picture)
        argv = ["train", "mnist", *SMALL, "-data-dir", str(mnist_root), "-out-dir", str(out)]
        assert main(argv) == 0
    (folder,) = out.iterdir()
    return folder


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn; none is written."""
    kept: list[Figure] = []

    def keep(figure: Figure, path: Path) -> None:
        kept.append(figure)
        plt.close(figure)

    monkeypatch.setattr(visualizing, "save", keep)
    return kept


@pytest.fixture(scope="session")
def digits(mnist_root: Path) -> list[tuple[Any, int]]:
    """The first test images, uint8 ``[28, 28]``, and their labels."""
    test = MNIST(mnist_root, train=False).head(12)
    return [(test.images[i, 0].numpy(), int(test.labels[i])) for i in range(len(test))]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Puts bytes into standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


@pytest.fixture
def page(digits: list[tuple[Any, int]]) -> Callable[[int], Image.Image]:
    """A digit in blue ink somewhere on a grey, noisy sheet of paper."""

    def draw(number: int) -> Image.Image:
        ink = np.asarray(Image.fromarray(digits[number][0]).resize((90, 90)))[..., None]
        rng = np.random.default_rng(number)
        top, left = int(rng.integers(0, 200)), int(rng.integers(0, 300))
        sheet = rng.normal(205, 4, (300, 400, 3))
        sheet[top : top + 90, left : left + 90] -= ink * np.array([0.7, 0.6, 0.3])
        return Image.fromarray(np.clip(sheet, 0, 255).astype(np.uint8))

    return draw
