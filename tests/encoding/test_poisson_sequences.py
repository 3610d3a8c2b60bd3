"""`PoissonSequences`: a function of seed, number and image, whoever computes it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bitspike import kernels
from bitspike.encoding import PoissonSequences
from bitspike.spikes import SpikeTensor

BACKENDS = ("eager", "numba")


def dense(s: Tensor) -> Tensor:
    return s.dense() if isinstance(s, SpikeTensor) else s


def images(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@settings(max_examples=30)
@given(
    backend=st.sampled_from(BACKENDS),
    T=st.sampled_from([1, 3, 64, 70]),
    B=st.integers(1, 9),
    cut=st.integers(0, 9),
    seed=st.integers(-(2**70), 2**70),
    first=st.integers(0, 2**40),
)
def test_cut_or_not(backend: str, T: int, B: int, cut: int, seed: int, first: int) -> None:
    encoder = PoissonSequences(T, seed, backend)
    x = images(B, 2, 3)
    whole = dense(encoder(x, first))
    assert whole.shape == (T, B, 2, 3)
    cut = min(cut, B)
    parts = [encoder(part, at) for part, at in ((x[:cut], first), (x[cut:], first + cut))]
    assert torch.equal(whole, torch.cat([dense(part) for part in parts if part.numel()], 1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_image_seed_and_step_is_its_own(backend: str) -> None:
    x = torch.full((4, 5000), 0.3)
    a, b = (dense(PoissonSequences(3, seed, backend)(x)) for seed in (0, 1))
    n = a[0, 0].numel()

    def agree(s: Tensor, t: Tensor) -> bool:
        """Whether they fire together as often as chance has it."""
        return abs(float((s * t).sum()) - n * 0.09) <= 5.5 * math.sqrt(n * 0.09 * 0.91)

    assert agree(a[0, 0], b[0, 0])
    assert agree(a[0, 0], a[1, 0])
    assert agree(a[0, 0], a[0, 1])
    assert not agree(a[0, 0], a[0, 0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_rates(backend: str) -> None:
    p = torch.tensor([0.0, 0.1, 0.5, 1.0])
    rate = dense(PoissonSequences(2000, 3, backend)(p.repeat(20, 1))).mean((0, 1))
    assert rate[0] == 0
    assert rate[3] == 1
    assert torch.allclose(rate, p, atol=5.5 * 0.5 / math.sqrt(40_000))


@pytest.mark.backend("auto")
def test_bits_where_there_can_be_bits() -> None:
    assert isinstance(PoissonSequences(5)(images(2, 3)), SpikeTensor)
    assert PoissonSequences(5)(images(2, 3).double()).dtype == torch.float64
    assert PoissonSequences(5)(images(2, 3).requires_grad_()).requires_grad is False


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_no_probability(backend: str, value: float) -> None:
    with pytest.raises(ValueError, match="probabilit"):
        PoissonSequences(5, backend=backend)(torch.tensor([[0.5, value]]))


@pytest.mark.parametrize("T", [0, -1, 2.0, True])
def test_no_number_of_steps(T: int) -> None:
    with pytest.raises(ValueError, match=f"T must be an integer of at least 1, but got {T!r}"):
        PoissonSequences(T)


def test_no_batch() -> None:
    with pytest.raises(ValueError, match=r"\[B, ...\].*\(3,\)"):
        PoissonSequences(2)(images(3))


def test_unknown_backend() -> None:
    with pytest.raises(ValueError, match="backend"):
        PoissonSequences(2, backend="fast")


def test_missing_backend_is_said() -> None:
    with pytest.raises(kernels.BackendError, match="float64"):
        PoissonSequences(2, backend="numba")(images(2, 3).double())


def test_says_what_it_is() -> None:
    assert repr(PoissonSequences(100, 3)) == "PoissonSequences(T=100, seed=3)"
