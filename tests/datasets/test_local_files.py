"""Data sets read from files that are there."""

import gzip
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bitspike.datasets import (
    MNIST,
    DatasetError,
    DatasetNote,
    FashionMNIST,
    ImageDataset,
    download,
    encode_idx,
)
from bitspike.datasets import TEST_FILES as TEST
from bitspike.datasets import TRAIN_FILES as TRAIN

Tiny = Callable[..., type[ImageDataset]]


@pytest.fixture(autouse=True)
def _without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of this may need what is optional."""
    for name in ("pooch", "rich", "platformdirs"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("folder", [".", "Tiny/raw", "raw"])
@pytest.mark.parametrize("spelling", ["{}-idx{}-ubyte", "{}.idx{}-ubyte"])
@pytest.mark.parametrize("packed", [False, True])
def test_places_and_spellings(
    tmp_path: Path, files: dict[str, bytes], tiny: Tiny, folder: str, spelling: str, packed: bool
) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        stem, dims = name.split("-idx")
        path = tmp_path / folder / spelling.format(stem, dims[0])
        if packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
        else:
            path.write_bytes(content)

    for train, count, names in ((True, 7, TRAIN), (False, 3, TEST)):
        data = tiny()(str(tmp_path), train=train, download=False)
        assert data.official
        assert len(data) == count
        assert data.images.dtype == torch.uint8
        assert data.images.shape == (count, 1, 28, 28)
        assert bytes(data.images.flatten().tolist()) == files[names[0]][16:]
        assert data.labels.dtype == torch.int64
        assert data.labels.tolist() == list(range(count))
        assert data.classes == tuple("abcdefghij")


def test_one_split_is_enough(tmp_path: Path, files: dict[str, bytes], tiny: Tiny) -> None:
    for name in TRAIN:
        (tmp_path / name).write_bytes(files[name])
    assert len(tiny()(tmp_path)) == 7
    with pytest.raises(DatasetError, match=r"t10k-images-idx3-ubyte.*not found.*download=True"):
        tiny()(tmp_path, train=False, download=False)


def test_own_files_are_accepted_with_a_note(own_root: Path) -> None:
    with pytest.warns(DatasetNote, match="train-images.*not the official files of MNIST") as notes:
        data = MNIST(own_root)
    assert notes[0].filename == __file__
    assert not data.official
    assert len(data) == 7
    assert "official=False" in repr(data)


def test_own_labels_of_official_images(tmp_path: Path, files: dict[str, bytes], tiny: Tiny) -> None:
    (tmp_path / TRAIN[0]).write_bytes(files[TRAIN[0]])
    (tmp_path / TRAIN[1]).write_bytes(encode_idx(torch.zeros(7, dtype=torch.uint8)))
    with pytest.warns(DatasetNote, match=r"labels-idx1-ubyte: accepted.*official file of Tiny"):
        assert not tiny()(tmp_path).official


def test_own_file_without_its_partner(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / TRAIN[0]).write_bytes(files[TRAIN[0]])
    with pytest.raises(DatasetError, match=rf"{TRAIN[0]}: not official.*{TRAIN[1]} missing in"):
        MNIST(tmp_path)


def test_own_training_files_are_not_tested_with_official_ones(
    own_root: Path, tmp_path: Path
) -> None:
    for name in TEST:
        (own_root / name).unlink()
    with pytest.raises(DatasetError, match=r"not official MNIST, and t10k.*missing"):
        MNIST(own_root, train=False)


def test_official_files_in_two_folders_are_combined(
    tmp_path: Path, files: dict[str, bytes], tiny: Tiny
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / TRAIN[1]).write_bytes(files[TRAIN[1]])
    (tmp_path / "raw" / TRAIN[0]).write_bytes(files[TRAIN[0]])
    assert tiny()(tmp_path, download=False).official


def test_files_of_another_data_set_do_not_count(mnist_root: Path) -> None:
    folder = mnist_root / "MNIST" / "raw"
    if not folder.is_dir():  # a root of the user's own form
        folder = mnist_root
    assert MNIST(folder, train=False).official
    with pytest.raises(DatasetError, match="not found in"):
        FashionMNIST(folder, train=False, download=False)


def test_two_data_sets_share_a_root(tmp_path: Path, own_root: Path) -> None:
    for name in ("MNIST", "FashionMNIST"):
        (tmp_path / name / "raw").mkdir(parents=True)
    for path in own_root.iterdir():
        (tmp_path / "MNIST" / "raw" / path.name).write_bytes(path.read_bytes())
    with pytest.warns(DatasetNote):
        assert len(MNIST(tmp_path)) == 7
    with pytest.raises(DatasetError, match=r"FashionMNIST: .*not found"):
        FashionMNIST(tmp_path, download=False)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (TRAIN[0], torch.zeros(7, 28, 27), r"train-images.*28 x 27 pixels, expected 28 x 28"),
        (
            TRAIN[0],
            torch.zeros(6, 28, 28),
            r"holds 6 images, but .*train-labels.* holds 7 labels",
        ),
        (TRAIN[0], torch.zeros(0, 28, 28), r"train-images.*holds no images"),
        (TRAIN[0], torch.zeros(7), r"train-images.*wrong magic number"),
        (
            TRAIN[1],
            torch.tensor([0, 1, 2, 10, 4, 5, 11]),
            r"train-labels.*label 10 at position 3",
        ),
        (TRAIN[1], torch.zeros(8), r"holds 7 images, but .*holds 8 labels"),
    ],
)
def test_files_in_the_wrong_form(
    own_root: Path, name: str, array: torch.Tensor, message: str
) -> None:
    (own_root / name).write_bytes(encode_idx(array.to(torch.uint8)))
    with pytest.raises(DatasetError, match=message):
        MNIST(own_root)


def test_truncated_file_is_named(own_root: Path) -> None:
    path = own_root / TRAIN[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"train-images-idx3-ubyte: truncated.*Delete it"):
        MNIST(own_root)


def test_leftovers_of_a_killed_process_do_no_harm(own_root: Path) -> None:
    (own_root / f".{TRAIN[0]}.0123456789abcdef.part").write_bytes(b"half a file")
    with pytest.warns(DatasetNote):
        assert len(MNIST(own_root)) == 7


def test_download_refuses_own_files_and_unknown_names(own_root: Path) -> None:
    with pytest.raises(DatasetError, match=r"not official MNIST\. Move"):
        download("MNIST", own_root)
    with pytest.raises(ValueError, match="no 'CIFAR', there are MNIST, FashionMNIST"):
        download("CIFAR", own_root)


def test_download_of_a_complete_root(own_root: Path, tiny: Tiny) -> None:
    assert download(tiny(), str(own_root)) == own_root


def test_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ImportError, match=r'pooch and rich.*pip install "bitspike\[data\]"'
    ) as error:
        MNIST(tmp_path)
    assert error.value.name == "pooch"
    monkeypatch.delenv("BITSPIKE_DATA", raising=False)
    with pytest.raises(ImportError, match=r'platformdirs.*pip install "bitspike\[data\]"'):
        MNIST()


def test_pickle(own_root: Path) -> None:
    with pytest.warns(DatasetNote):
        data = MNIST(own_root)
    again = pickle.loads(pickle.dumps(data))  # noqa: S301
    assert torch.equal(again.images, data.images)
    assert torch.equal(again.labels, data.labels)
    assert again.official is data.official
