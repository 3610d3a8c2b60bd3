import threading
import time
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets import Batches
from bitspike.datasets._batches import Pair


class Numbered:
    """Images that hold their own number, so that a batch tells what is in it."""

    def __init__(self, count: int) -> None:
        self.numbers = torch.arange(count)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: slice | torch.Tensor) -> Pair:
        labels = self.numbers[index].clone()
        return labels.float().view(-1, 1, 1, 1).expand(-1, 1, 28, 28).contiguous(), labels


def numbers(batches: Batches) -> list[list[int]]:
    found = []
    for images, labels in batches:
        assert images.shape == (len(labels), 1, 28, 28)
        assert torch.equal(images[:, 0, 0, 0].long(), labels)
        found.append(labels.tolist())
    return found


@given(
    count=st.integers(1, 200),
    size=st.integers(1, 50),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    seed=st.integers(-(2**70), 2**70),
    epoch=st.integers(0, 1000),
    workers=st.integers(0, 3),
    data=st.data(),
)
def test_an_epoch(
    count: int,
    size: int,
    shuffle: bool,
    drop_last: bool,
    seed: int,
    epoch: int,
    workers: int,
    data: st.DataObject,
) -> None:
    size = min(size, count)
    options: dict[str, Any] = {
        "shuffle": shuffle,
        "drop_last": drop_last,
        "seed": seed,
        "epoch": epoch,
    }
    batches = Batches(Numbered(count), size, **options)
    whole = numbers(batches)

    assert len(batches) == len(whole) == (count // size if drop_last else -(-count // size))
    assert all(len(batch) == size for batch in whole[:-1])
    flat = [number for batch in whole for number in batch]
    assert len(set(flat)) == len(flat) == (len(whole) * size if drop_last else count)
    assert shuffle or flat == list(range(len(flat)))

    start = data.draw(st.integers(0, len(whole)))
    rest = Batches(Numbered(count), size, **options, start=start, workers=workers)
    assert numbers(rest) == whole[start:]
    assert numbers(rest) == whole[start:]
    assert len(rest) == len(whole)


@pytest.mark.parametrize("size", [1, 3, 64, 1500])
@pytest.mark.parametrize("shuffle", [False, True])
def test_more_than_one_block(size: int, shuffle: bool) -> None:
    count = 5000 if size > 1 else 400
    expected = numbers(Batches(Numbered(count), size, shuffle=shuffle, start=2))
    for workers in (1, 2):
        batches = Batches(Numbered(count), size, shuffle=shuffle, start=2, workers=workers)
        assert numbers(batches) == expected


def test_order_depends_on_seed_and_epoch() -> None:
    data = Numbered(100)
    orders = {
        tuple(numbers(Batches(data, 100, shuffle=True, seed=seed, epoch=epoch))[0])
        for seed in (-1, 0, 1, 10)
        for epoch in (0, 1, 10)
    }
    assert len(orders) == 12


def test_global_random_state_is_neither_used_nor_changed() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = numbers(Batches(Numbered(50), 8, shuffle=True, workers=1))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert numbers(Batches(Numbered(50), 8, shuffle=True)) == first


def test_order_stays_the_same_between_releases() -> None:
    # Else a resumed epoch would see images twice.
    order = numbers(Batches(Numbered(10), 10, shuffle=True, seed=3, epoch=2))
    assert order == [[4, 0, 6, 9, 2, 3, 7, 8, 1, 5]]


def test_preparation_runs_ahead_but_not_far() -> None:
    asked: list[int] = []

    class Watched(Numbered):
        def __getitem__(self, index: slice | torch.Tensor) -> Pair:
            assert isinstance(index, slice)
            asked.append(index.start)
            return super().__getitem__(index)

    iterator = iter(Batches(Watched(100_000), 64, workers=2))
    next(iterator)
    # One block is being used; workers + 1 are prepared.
    end = time.monotonic() + 30
    while len(asked) < 4 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(asked) == 4
    del iterator


def running() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("bitspike-batches")]


def test_no_thread_outlives_the_loop() -> None:
    batches = Batches(Numbered(20_000), 16, workers=2)
    for _ in batches:
        assert running()
        break
    assert running() == []
    for _ in batches:
        pass
    assert running() == []


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_errors_come_through(workers: int) -> None:
    class Broken(Numbered):
        def __getitem__(self, index: slice | torch.Tensor) -> Pair:
            if isinstance(index, slice) and index.stop > 3000:
                raise RuntimeError("the disk is gone")
            return super().__getitem__(index)

    seen: list[Pair] = []
    with pytest.raises(RuntimeError, match="the disk is gone"):
        seen.extend(Batches(Broken(10_000), 100, workers=workers))
    assert len(seen) >= 20
    assert running() == []


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"batch_size": 11, "drop_last": True}, "batch_size"),
        ({"seed": "x"}, "seed"),
        ({"epoch": -1}, "epoch"),
        ({"start": -1}, "start"),
        ({"start": 6}, "start"),
        ({"workers": -1}, "workers"),
        ({"device": "abacus"}, "device"),
        ({"device": []}, "device"),
    ],
)
def test_bad_arguments(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Batches(Numbered(10), **{"batch_size": 2, **options})
