"""Which images a run learns."""

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from bitspike import training
from bitspike.datasets import FashionMNIST
from bitspike.encoding import PoissonSequences
from bitspike.examples import lif_fc_mnist
from bitspike.examples.lif_fc_mnist import Options

if TYPE_CHECKING:
    from tests.examples.tutorial import Program

    from bitspike.datasets import ImageDataset


def write_idx(path: Path, data: torch.Tensor) -> None:
    header = struct.pack(f">BBBB{data.ndim}I", 0, 0, 8, data.ndim, *data.shape)
    path.write_bytes(header + data.numpy().tobytes())


@pytest.fixture
def own_data(tmp_path: Path) -> Path:
    """Ten classes of a bright bar each, in the form of Fashion-MNIST."""
    folder = tmp_path / "data"
    folder.mkdir()
    for part, count in (("train", 200), ("t10k", 50)):
        label = torch.arange(count) % 10
        image = torch.zeros(count, 28, 28, dtype=torch.uint8)
        for row, digit in zip(image, label.tolist(), strict=True):
            row[4 + 2 * digit : 6 + 2 * digit] = 255
        write_idx(folder / f"{part}-images-idx3-ubyte", image)
        write_idx(folder / f"{part}-labels-idx1-ubyte", label.to(torch.uint8))
    return folder


def test_fashion_mnist_from_a_folder_of_one_s_own(
    own_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(training, "save_pictures", lambda *_: None)
    argv = ["-dataset", "fashion-mnist", "-T", "4", "-b", "10", "-epochs", "3", "-lr", "0.01"]
    folders = ["-data-dir", str(own_data), "-out-dir", str(tmp_path / "runs")]
    assert lif_fc_mnist.main([*argv, *folders]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Note: ")]
    assert len(notes) == 2  # the training files and the test files
    assert all("not the official files of FashionMNIST" in note for note in notes)
    run = tmp_path / "runs" / "T4_b10_adam_lr0.01_fashion-mnist"
    state = torch.load(run / "checkpoint_latest.pth", weights_only=True)
    assert state["history"][-1]["test_acc"] == 1.0
    assert state["options"]["dataset"] == "fashion-mnist"


@pytest.mark.filterwarnings("ignore::bitspike.datasets.DatasetNote")
@pytest.mark.parametrize(("limit", "images"), [(0, 200), (30, 30), (200, 200), (10**25, 200)])
def test_limit(own_data: Path, limit: int, images: int) -> None:
    options = Options(dataset="fashion-mnist", data_dir=str(own_data), limit=limit)
    train, test = lif_fc_mnist.load_data(options)
    assert isinstance(train, FashionMNIST)
    assert (len(train), len(test)) == (images, 50)
    assert train.labels.tolist() == (torch.arange(images) % 10).tolist()


def test_mnist_is_the_default(mnist: "tuple[ImageDataset, ImageDataset]") -> None:
    train, test = mnist
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.official
    assert test.official


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own(
    program: "Program",
    mnist: "tuple[ImageDataset, ImageDataset]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode = PoissonSequences.__call__
    shown: list[bytes] = []

    def watched(self: PoissonSequences, images: Tensor, first: int) -> Tensor:
        pixels = images.flatten(1).mul(255).round().int().numpy()
        shown.extend(row.tobytes() for row in pixels)
        return encode(self, images, first)

    monkeypatch.setattr(PoissonSequences, "__call__", watched)
    evaluated = len(program.load_data(Options())[1])
    argv = ["-T", "1", "-b", "40", "-limit", "100", "-epochs", "2", "-j", "0"]
    assert program.here(*argv, "-out-dir", tmp_path) == 0
    second_epoch = 100 + evaluated
    first, second = shown[:100], shown[second_epoch:][:100]
    expected = [image.numpy().tobytes() for image in mnist[0].images[:100].flatten(1).int()]
    assert sorted(first) == sorted(second) == sorted(expected)
    assert first != second
    assert first != expected
