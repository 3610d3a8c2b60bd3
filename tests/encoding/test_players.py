"""The encoders that make a spike train and play it: latency, phase, periodic."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike import encoding, functional, spikes
from bitspike.encoding import LatencyEncoder, PeriodicEncoder, StatefulEncoder, WeightedPhaseEncoder


def times(train: Tensor) -> list[int]:
    """The step of each element's one spike."""
    assert torch.equal(train.sum(0), torch.ones_like(train[0]))
    return train.argmax(0).tolist()


def test_latency_by_hand() -> None:
    x = torch.tensor([0.0, 0.25, 0.5, 1.0])
    encoder = LatencyEncoder(5)
    assert times(torch.stack([encoder(x) for _ in range(5)])) == [4, 3, 2, 0]
    logarithmic = LatencyEncoder(5, "log")
    whole = torch.stack([logarithmic(x) for _ in range(5)])
    alpha = math.e**4 - 1
    assert times(whole) == [round(4 - math.log(alpha * v + 1)) for v in x.tolist()] == [4, 1, 1, 0]


def test_logarithmic_latency_over_hundreds_of_steps() -> None:
    """Where SpikingJelly's alpha is infinite in float32."""
    train = LatencyEncoder(300, "log", step_mode="m")(
        torch.tensor([[0.0, 1e-30, 1.0]]).expand(300, 1, 3)
    )
    assert times(train.squeeze(1)) == [299, round(30 * math.log(10)), 0]


@given(st.integers(1, 20), st.floats(0, 1))
def test_weighted_phase_is_binary(K: int, share: float) -> None:
    x = torch.tensor([share * (1 - 2**-K)], dtype=torch.float64)
    encoder = WeightedPhaseEncoder(K)
    digits = [encoder(x).item() for _ in range(K)]
    assert set(digits) <= {0.0, 1.0}
    value = sum(2 ** -(k + 1) * digit for k, digit in enumerate(digits))
    assert 0 <= x.item() - value < 2**-K
    assert encoder(x).item() == digits[0], "the code begins again"


MAKERS: dict[str, Callable[[], StatefulEncoder]] = {
    "linear": lambda: LatencyEncoder(4),
    "log": lambda: LatencyEncoder(4, "log"),
    "phase": lambda: WeightedPhaseEncoder(4),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))


@every
def test_modes_agree_and_play_on(make: Callable[[], StatefulEncoder]) -> None:
    x = torch.rand(3, 2) * 0.9
    single, multi = make(), make()
    multi.step_mode = "m"
    steps = torch.stack([single(x), *(single() for _ in range(8))])
    assert torch.equal(steps[:4], steps[4:8])
    assert torch.equal(torch.cat((multi(x.expand(3, 3, 2)), multi(x.expand(6, 3, 2)))), steps)
    assert single.t == multi.t == 1
    functional.reset_net(multi)
    again = multi(x.flip(0).expand(4, 3, 2))
    assert torch.equal(again, steps[:4].flip(1)), "the input is read again after a reset"


@every
@pytest.mark.backend("numba")
def test_bits(make: Callable[[], StatefulEncoder]) -> None:
    x = torch.rand(3, 70) * 0.9
    encoder = make()
    dense = torch.stack([encoder(x) for _ in range(6)])
    assert not isinstance(encoder(x), spikes.SpikeTensor)
    encoder.reset()
    encoder.step_mode = "m"
    bits = encoder(x.expand(6, 3, 70))
    assert isinstance(bits, spikes.SpikeTensor)
    assert torch.equal(bits.dense(), dense)
    encoder.reset()
    encoder.backend = "eager"
    assert not isinstance(encoder(x.expand(6, 3, 70)), spikes.SpikeTensor)


@every
def test_integers_are_numbers(make: Callable[[], StatefulEncoder]) -> None:
    assert make()(torch.tensor([0, 0])).dtype is torch.float32
    assert make()(torch.tensor([0.0, 0.0]).half()).dtype is torch.float16


@every
def test_first_call_needs_an_input(make: Callable[[], StatefulEncoder]) -> None:
    encoder = make()
    with pytest.raises(ValueError, match="no spike train to play yet"):
        encoder()
    encoder.step_mode = "m"
    with pytest.raises(ValueError, match=r"\[T, B, ...\] with T >= 1"):
        encoder(torch.empty(0, 3))


@pytest.mark.parametrize("bad", [-0.2, 1.2, float("nan")])
@every
def test_input_out_of_range(make: Callable[[], StatefulEncoder], bad: float) -> None:
    with pytest.raises(ValueError, match=r"(must lie in|binary digits reach).*shape \(2,\)"):
        make()(torch.tensor([0.5, bad]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LatencyEncoder(0), "integer of 1 or more"),
        (lambda: LatencyEncoder(2.0), "integer of 1 or more"),  # type: ignore[arg-type]
        (lambda: LatencyEncoder(4, "square"), "'linear' or 'log'"),
        (lambda: LatencyEncoder(1000, "log"), "overflows"),
        (lambda: PeriodicEncoder(torch.tensor(1.0)), r"must be \[T, ...\]"),
        (lambda: encoding.DeltaEncoder(0.0), "threshold must be above 0"),
    ],
)
def test_refuses(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_periodic_needs_no_input() -> None:
    train = torch.tensor([[1.0, 0], [0, 1], [0, 0]])
    encoder = PeriodicEncoder(train)
    played = torch.stack([encoder() for _ in range(7)])
    assert torch.equal(played, train[[0, 1, 2, 0, 1, 2, 0]])
    encoder.step_mode = "m"
    assert torch.equal(encoder(), train[[1, 2, 0]]), "it goes on where it was"
    assert torch.equal(encoder(train.expand(4, 3, 2)), train[[1, 2, 0, 1]])
    encoder.reset()
    assert torch.equal(encoder(), train)
    other = 1 - train
    encoder.reset()
    assert torch.equal(encoder(other.expand(3, 3, 2)), other)


@pytest.mark.backend("numba")
def test_periodic_bits_if_binary() -> None:
    assert isinstance(PeriodicEncoder(torch.eye(3).unsqueeze(1), "m")(), spikes.SpikeTensor)
    graded = PeriodicEncoder(torch.rand(3, 1, 2), "m")()
    assert not isinstance(graded, spikes.SpikeTensor)
    learned = PeriodicEncoder(torch.eye(3).unsqueeze(1).requires_grad_(), "m")()
    assert learned.requires_grad


@every
def test_copies_play_on(make: Callable[[], StatefulEncoder]) -> None:
    encoder = make()
    encoder(torch.rand(5) * 0.9)
    twin = copy.deepcopy(encoder)
    assert torch.equal(twin(), encoder())
    assert "T=4" in repr(encoder)
