import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike.spikes import SpikeTensor, pack, popcount, word_count

STEPS = [1, 3, 4, 63, 64, 65, 100, 1000]


def random_spikes(*shape: int, rate: float = 0.3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=generator) < rate).float()


@pytest.mark.parametrize("T", STEPS)
@pytest.mark.parametrize("features", [(1,), (10,), (63,), (64,), (65,), (2, 3, 5), (130,)])
def test_unpacking_what_was_packed_gives_the_same(T: int, features: tuple[int, ...]) -> None:
    dense = random_spikes(T, 3, *features)
    spikes = pack(dense)
    assert isinstance(spikes, SpikeTensor)
    assert spikes.shape == dense.shape
    assert torch.equal(spikes.dense(), dense)


@settings(max_examples=60)
@given(
    steps=st.sampled_from([0, 2, *STEPS]),
    shape=st.lists(st.integers(0, 70), max_size=3),
    lead=st.integers(0, 4),
    rate=st.floats(0, 1),
)
def test_round_trip_of_any_shape(steps: int, shape: list[int], lead: int, rate: float) -> None:
    if steps * math.prod(shape) > 200_000:
        shape = shape[:1]
    dense = random_spikes(steps, *shape, rate=rate)
    spikes = pack(dense, lead)
    assert torch.equal(spikes.dense(), dense)
    assert spikes.count() == int(dense.sum())


def test_bit_j_of_word_w_is_feature_64_w_plus_j() -> None:
    dense = torch.zeros(1, 1, 70)
    dense[0, 0, [0, 3, 63, 64, 69]] = 1
    words = pack(dense).words
    assert words.dtype == torch.int64
    assert words.tolist() == [[[1 + 8 - 2**63, 1 + 2**5]]]


def test_bits_take_a_32nd_of_the_memory() -> None:
    dense = random_spikes(100, 64, 640)
    assert pack(dense).spike_bytes() * 32 == dense.numel() * dense.itemsize


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5))
def test_popcount_counts_the_bits_of_each_word(words: list[int]) -> None:
    expected = [(word % 2**64).bit_count() for word in words]
    assert popcount(torch.tensor(words)).tolist() == expected


@pytest.mark.parametrize(("features", "words"), [(0, 0), (1, 1), (64, 1), (65, 2), (128, 2)])
def test_word_count(features: int, words: int) -> None:
    assert word_count(features) == words


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0, float("nan")])
def test_other_values_than_0_and_1_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"spikes.pack: .*\(2, 3\).*other than 0 and 1"):
        pack(torch.full((2, 3), value))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_integers_become_the_default_dtype(dtype: Any) -> None:
    spikes = pack(torch.ones(2, 3, dtype=dtype))
    assert spikes.dtype == torch.float32
    assert spikes.rate() == 1.0


def test_count_and_rate() -> None:
    spikes = pack(torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]), lead=1)
    assert spikes.count() == 2
    assert spikes.rate() == 0.25
    assert "spikes=2, rate=0.25" in repr(spikes)
