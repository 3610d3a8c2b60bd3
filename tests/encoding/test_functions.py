"""`rate` and `latency`, snnTorch's encoders as functions."""

import math

import pytest
import torch

from bitspike import kernels, spikes
from bitspike.encoding import delta, latency, rate


def times(train: torch.Tensor) -> list[int]:
    """The step of each element's spike; -1 without one."""
    assert train.sum(0).max() <= 1
    return [int(s.argmax()) if s.any() else -1 for s in train.unbind(1)]


def test_rate() -> None:
    x = torch.tensor([[0.0, 0.25, 2.0]])
    s = rate(x, 20_000)
    assert s.shape == (20_000, 1, 3)
    assert s.mean(0)[0, [0, 2]].tolist() == [0, 1]
    assert s.mean().item() == pytest.approx(1.25 / 3, abs=0.01)
    s = rate(x, 20_000, gain=0.25, offset=0.5)
    torch.testing.assert_close(s.mean(0), torch.tensor([[0.5, 0.5625, 1.0]]), atol=0.02, rtol=0)


def test_rate_of_a_sequence_and_later() -> None:
    x_seq = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert torch.equal(rate(x_seq), x_seq)
    assert rate(x_seq, first_spike_time=1).tolist() == [[0, 0], [1, 0], [0, 1]]
    assert rate(torch.ones(2), 3, first_spike_time=2).tolist() == [[0, 0], [0, 0], [1, 1]]
    for seed in (1, 1):
        a = rate(torch.full((2, 9), 0.5), 4, generator=torch.Generator().manual_seed(seed))
        b = rate(torch.full((2, 9), 0.5), 4, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(a, b)


@pytest.mark.backend("numba")
def test_rate_gives_bits() -> None:
    s = rate(torch.full((2, 70), 0.5), 8, first_spike_time=3)
    assert isinstance(s, spikes.SpikeTensor)
    assert not s[:3].any()
    assert s[3:].any()


@pytest.mark.backend("numba")
@pytest.mark.parametrize("shape", [(), (3,), (2, 70)])
def test_delta_and_latency_give_bits(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape)
    changing = torch.stack([x, x + 1, x])
    found = latency(x, 5, clip=True), delta(changing)
    with kernels.use_backend("eager"):
        expected = latency(x, 5, clip=True), delta(changing)
    for got, want in zip(found, expected, strict=True):
        assert isinstance(got, spikes.SpikeTensor)
        assert torch.equal(got.dense(), want)


@pytest.mark.parametrize("arguments", [(None, 3), (0, 0), (3, 3), (3, -1)])
def test_rate_refuses(arguments: tuple[int | None, int]) -> None:
    with pytest.raises(ValueError, match="first_spike_time"):
        rate(torch.ones(3), arguments[0], first_spike_time=arguments[1])


def test_linear_latency_as_in_the_manual_of_snntorch() -> None:
    s = latency(torch.tensor([0.02, 0.5, 1.0]), 5, normalize=True, linear=True)
    assert times(s) == [4, 2, 0]
    assert times(latency(torch.tensor([0.0, 0.5, 1.0]), 5, tau=2, linear=True)) == [2, 1, 0]
    assert times(latency(torch.tensor([0.0, 0.5, 1.5]), 5, linear=True, normalize=True)) == [
        4,
        3,
        0,
    ]


def test_logarithmic_latency() -> None:
    x = torch.tensor([0.011, 0.02, 0.5, 0.0])
    expected = [round(5 * math.log(v / (v - 0.01))) for v in x[:3].tolist()]
    assert times(latency(x, 100, tau=5)) == [*expected, round(5 * math.log(0.0100001 / 1e-7))]
    assert times(latency(x, 100, tau=5, clip=True)) == [*expected, -1]
    assert times(latency(x, 10, tau=5)) == [-1, expected[1], expected[2], -1], "late ones are lost"
    assert times(latency(x, 10, normalize=True)) == [2, 1, 0, 9]
    late = times(latency(x, 10, normalize=True, first_spike_time=4))
    assert (min(late), max(late)) == (4, 9)
    assert latency(torch.empty(0, 2), 3).shape == (3, 0, 2)


@pytest.mark.parametrize(
    ("options", "value", "message"),
    [
        ({"threshold": 0.0}, 0.5, "0 < threshold < 1"),
        ({"tau": 0.0}, 0.5, "tau > 0"),
        ({"first_spike_time": 5}, 0.5, "first_spike_time < num_steps"),
        ({"linear": True}, 1.5, "between 0 and 1"),
        ({}, float("nan"), "not be NaN"),
        ({}, -0.5, "between 0 and infinity"),
    ],
)
def test_latency_refuses(options: dict[str, float], value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        latency(torch.tensor([value]), 5, **options)  # type: ignore[arg-type]
