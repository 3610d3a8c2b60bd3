"""Delta modulation."""

import pytest
import torch

from bitspike import base, spikes
from bitspike.encoding import DeltaEncoder, delta

A = torch.tensor([1, 2, 2.75, 3, 4])
B = torch.tensor([1, 2, 0, 2, 2.5])


@pytest.mark.parametrize(
    ("data", "padding", "off_spike", "expected"),
    [
        (A, False, False, [1, 1, 0, 0, 1]),
        (A, True, False, [0, 1, 0, 0, 1]),
        (B, False, True, [1, 1, -1, 1, 0]),
        (B, True, True, [0, 1, -1, 1, 0]),
        (-B, False, False, [0, 0, 1, 0, 0]),
    ],
)
def test_by_hand(data: torch.Tensor, padding: bool, off_spike: bool, expected: list[float]) -> None:
    assert delta(data, 1.0, padding, off_spike).tolist() == expected
    single = DeltaEncoder(1.0, padding, off_spike)
    assert [single(x).item() for x in data] == expected
    chunks = DeltaEncoder(1.0, padding, off_spike, step_mode="m")
    assert torch.cat([chunks(data[:2]), chunks(data[2:])]).tolist() == expected
    chunks.reset()
    assert chunks(data).tolist() == expected


@pytest.mark.backend("numba")
def test_bits_unless_there_are_off_spikes() -> None:
    x = torch.randn(4, 3, 70)
    bits = DeltaEncoder(step_mode="m")(x)
    assert isinstance(bits, spikes.SpikeTensor)
    assert torch.equal(bits.dense(), delta(x))
    assert not isinstance(DeltaEncoder(off_spike=True, step_mode="m")(x), spikes.SpikeTensor)


def test_another_shape_is_a_forgotten_reset() -> None:
    encoder = DeltaEncoder()
    encoder(torch.rand(3))
    with pytest.raises(base.StateError, match="DeltaEncoder: the state 'previous'"):
        encoder(torch.rand(4))


def test_integers_and_empty_sequences() -> None:
    assert delta(torch.tensor([0, 3, 3]), 1).tolist() == [0.0, 1.0, 0.0]
    with pytest.raises(ValueError, match=r"\[T, B, ...\] with T >= 1"):
        delta(torch.empty(0, 2))
    assert "threshold=0.1" in repr(DeltaEncoder())
