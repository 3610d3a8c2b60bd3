"""Packing, unpacking and reordering in one pass against NumPy's, on the eager backend."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike import kernels
from bitspike.kernels.bits import numba as fast
from bitspike.spikes import as_channels_last, channels_last, pack, pack_bits, unpack_bits


@settings(max_examples=60)
@given(
    rows=st.integers(1, 5),
    features=st.integers(1, 200),
    seed=st.integers(0, 99),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_words_and_numbers_are_those_of_the_reference(
    rows: int, features: int, seed: int, dtype: torch.dtype
) -> None:
    random = torch.rand(rows, 2, features, generator=torch.Generator().manual_seed(seed))
    x = (random < 0.4).to(dtype)
    words = fast.pack(x)
    with kernels.use_backend("eager"):
        assert torch.equal(words, pack_bits(x))
    assert torch.equal(fast.unpack(words, features, dtype), x)


def test_what_is_not_zero_is_set() -> None:
    x = torch.tensor([0.0, -0.0, 1e-45, -3.0, float("inf"), float("nan"), 0.0]).repeat(5)
    with kernels.use_backend("eager"):
        assert torch.equal(fast.pack(x), pack_bits(x))
        assert torch.equal(fast.pack(x.double()), pack_bits(x.double()))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (64, 2, 2), (2, 9, 8)])
def test_reordered_bits_are_the_permuted_tensor(shape: tuple[int, ...]) -> None:
    dense = (torch.rand(6, *shape) < 0.3).float()
    results = []
    for backend in ("numba", "eager"):
        with kernels.use_backend(backend):
            rows = as_channels_last(pack(dense, 1).bits, 3)
            assert rows is not None
            assert torch.equal(rows.dense(torch.float32), dense.movedim(1, -1))
            results.append((rows.words, channels_last(rows).rows().words))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.backend("numba")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8, torch.bool])
def test_other_numbers_take_the_reference(dtype: torch.dtype) -> None:
    x = (torch.rand(4, 70) < 0.5).to(dtype)
    words = pack_bits(x)
    assert torch.equal(unpack_bits(words, 70, dtype), x)
