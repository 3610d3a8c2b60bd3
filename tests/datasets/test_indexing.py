"""Items and batches of a data set."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from bitspike.datasets import MNIST, TRAIN_FILES, DatasetNote, encode_idx

N = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MNIST:
    root = tmp_path_factory.mktemp("root")
    pixels = torch.arange(N * 784).remainder(256).to(torch.uint8).view(N, 28, 28)
    (root / TRAIN_FILES[0]).write_bytes(encode_idx(pixels))
    (root / TRAIN_FILES[1]).write_bytes(encode_idx((torch.arange(N) % 10).to(torch.uint8)))
    with pytest.warns(DatasetNote):
        return MNIST(root)


def test_item(data: MNIST) -> None:
    image, label = data[13]
    assert image.dtype == torch.float32
    assert image.shape == (1, 28, 28)
    assert torch.equal(image, data.images[13].float() / 255)
    assert type(label) is int
    assert label == 3


def test_every_grey_level_is_the_quotient(data: MNIST) -> None:
    images, _ = data[:]
    levels = torch.tensor(sorted(set(images.flatten().tolist())))
    assert torch.equal(levels, torch.arange(256, dtype=torch.float32) / 255)


@given(position=st.integers(-N, N - 1))
def test_positions_count_from_both_ends(data: MNIST, position: int) -> None:
    others: tuple[Any, ...] = (np.int64(position), torch.tensor(position), np.array(position))
    for same in (*others, position % N):
        assert torch.equal(data[position][0], data[same][0])
        assert data[position][1] == data[same][1]


@pytest.mark.parametrize("position", [N, -N - 1, 10**9])
def test_out_of_range(data: MNIST, position: int) -> None:
    indices: tuple[Any, ...] = (position, [0, position], torch.tensor([position, 1]))
    for index in indices:
        with pytest.raises(IndexError, match=f"index {position} is out of range, there are {N}"):
            data[index]


def test_iteration_ends(data: MNIST) -> None:
    assert [label for _, label in data] == data.labels.tolist()  # type: ignore[attr-defined]


def check_batch(data: MNIST, batch: tuple[torch.Tensor, torch.Tensor], rows: list[int]) -> None:
    images, labels = batch
    assert images.dtype == torch.float32
    assert images.shape == (len(rows), 1, 28, 28)
    assert images.is_contiguous()
    assert labels.dtype == torch.int64
    assert labels.shape == (len(rows),)
    for at, row in enumerate(rows):
        assert torch.equal(images[at], data[row][0])
        assert labels[at] == data[row][1]


@given(rows=st.lists(st.integers(-N, N - 1), max_size=9))
def test_batches_equal_items(data: MNIST, rows: list[int]) -> None:
    for index in (rows, tuple(rows), np.array(rows, dtype=np.int32), torch.tensor(rows).long()):
        check_batch(data, data[index], rows)


@given(mask=st.lists(st.booleans(), min_size=N, max_size=N))
def test_masks(data: MNIST, mask: list[bool]) -> None:
    check_batch(data, data[torch.tensor(mask)], [at for at, wanted in enumerate(mask) if wanted])


@given(part=st.slices(N))
def test_slices(data: MNIST, part: slice) -> None:
    check_batch(data, data[part], list(range(N))[part])


def test_batches_do_not_share_memory_with_the_data(data: MNIST) -> None:
    before = data.images.clone(), data.labels.clone()
    for index in (slice(0, 5), [0, 1, 2]):
        images, labels = data[index]
        images.zero_()
        labels.zero_()
    data[0][0].zero_()
    assert torch.equal(data.images, before[0])
    assert torch.equal(data.labels, before[1])


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (torch.zeros(2, 2).long(), IndexError),
        (torch.ones(N - 1).bool(), IndexError),
        ([0.5], TypeError),
        ("ab", TypeError),
        (1.0, TypeError),
        (None, TypeError),
    ],
)
def test_wrong_index(data: MNIST, index: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        data[index]


@pytest.mark.parametrize("workers", [0, 1])
def test_data_loader(data: MNIST, workers: int) -> None:
    context = "spawn" if workers else None
    loader = DataLoader(data, batch_size=16, num_workers=workers, multiprocessing_context=context)
    at = 0
    for images, labels in loader:
        expected = data[at : at + 16]
        assert torch.equal(images, expected[0])
        assert torch.equal(labels, expected[1])
        at += len(labels)
    assert at == N


def test_data_loader_with_whole_batches(data: MNIST) -> None:
    sampler = BatchSampler(SequentialSampler(data), 16, drop_last=False)
    loader = DataLoader(data, sampler=sampler, batch_size=None)
    images = torch.cat([batch[0] for batch in loader])
    assert torch.equal(images, data[:][0])


def test_head(data: MNIST) -> None:
    head = data.head(7)
    assert type(head) is MNIST
    assert len(head) == 7
    assert len(data) == N
    assert head.classes == data.classes
    for ours, theirs in zip(head[:], data[:7], strict=True):
        assert torch.equal(ours, theirs)
    assert len(data.head(N + 1)) == N
    with pytest.raises(ValueError, match="count is 0"):
        data.head(0)


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not found in .*nowhere"):
        MNIST(tmp_path / "nowhere", download=False)
