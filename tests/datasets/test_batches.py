import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets import Batches
from bitspike.encoding import PoissonSequences

Pair = tuple[torch.Tensor, torch.Tensor]


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

    batches = iter(Batches(Watched(100_000), 64, workers=3))
    next(batches)
    # One block is being used, two are prepared.
    assert wait_until(lambda: len(asked) == 3)
    next(batches)  # of the next block: the first ones are one batch each
    assert wait_until(lambda: len(asked) == 4)
    for _ in range(4 + 16):
        next(batches)
    assert wait_until(lambda: asked == [64 * batch for batch in (0, 1, 2, 6, 22, 38)])


def wait_until(happened: Callable[[], bool]) -> bool:
    """Whether it happens soon, and is still so a moment later."""
    end = time.monotonic() + 30
    while not happened() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    return happened()


def test_large_images_come_in_small_blocks() -> None:
    asked: list[int] = []

    class Large(Numbered):
        def __getitem__(self, index: slice | torch.Tensor) -> Pair:
            assert isinstance(index, slice)
            asked.append(index.stop - index.start)
            return torch.zeros(1, 3, 200, 200).expand(asked[-1], 3, 200, 200), torch.zeros(
                asked[-1]
            )

    for _ in Batches(Large(100), 4, workers=1, encoder=lambda x, _: x.expand(5, *x.shape)):
        pass
    for _ in Batches(Large(100), 4, workers=1):
        pass
    assert max(asked) == 12  # batches of 4, of which 1024 and 2048 times 28 x 28 pixels are 1 and 3


def test_more_is_prepared_ahead_where_that_is_slow() -> None:
    asked: list[int] = []

    class Slow(Numbered):
        def __getitem__(self, index: slice | torch.Tensor) -> Pair:
            assert isinstance(index, slice)
            asked.append(index.start)
            time.sleep(0.1)
            return super().__getitem__(index)

    batches = iter(Batches(Slow(100_000), 1024, workers=3))
    for _ in range(6):  # each was waited for
        next(batches)
    assert wait_until(lambda: len(asked) == 6 + 4)  # workers + 1 ahead


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


class Labelled:
    """An encoder that shows, at each of three steps, the image times a thousand plus its number."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def __call__(self, images: torch.Tensor, first: int) -> torch.Tensor:
        self.threads.add(threading.current_thread().name)
        number = torch.arange(first, first + len(images)).view(-1, 1, 1, 1)
        return (images * 1000 + number).expand(3, *images.shape)


@given(
    count=st.integers(1, 200),
    size=st.integers(1, 50),
    workers=st.integers(0, 3),
    data=st.data(),
)
def test_encoded_in_the_order_of_the_epoch(
    count: int, size: int, workers: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, -(-count // size)))
    encoder = Labelled()
    batches = Batches(
        Numbered(count), size, shuffle=True, start=start, workers=workers, encoder=encoder
    )
    order = [
        label for batch in numbers(Batches(Numbered(count), size, shuffle=True)) for label in batch
    ]
    at = start * size
    for s_seq, labels in batches:
        assert s_seq.shape == (3, len(labels), 1, 28, 28)
        wanted = [order[k] * 1000 + k for k in range(at, at + len(labels))]
        assert s_seq[2, :, 0, 5, 5].tolist() == wanted
        assert labels.tolist() == order[at : at + len(labels)]
        at += len(labels)
    assert at == max(count, start * size)
    if workers and encoder.threads:
        assert all(name.startswith("bitspike-batches") for name in encoder.threads)


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_spikes_are_the_same_with_any_number_of_workers(backend: str) -> None:
    class Grey(Numbered):
        def __getitem__(self, index: slice | torch.Tensor) -> Pair:
            images, labels = super().__getitem__(index)
            return images / 1000, labels

    def spikes(workers: int, size: int) -> torch.Tensor:
        encoder = PoissonSequences(5, seed=7, backend=backend)
        batches = Batches(Grey(300), size, shuffle=True, epoch=2, workers=workers, encoder=encoder)
        return torch.cat([torch.as_tensor(s.sum(0)) for s, _ in batches])

    first = spikes(0, 64)
    assert 0 < first.mean() < 5
    for workers, size in ((1, 64), (3, 64), (0, 7), (2, 300)):
        assert torch.equal(spikes(workers, size), first)
