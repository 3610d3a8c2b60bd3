"""Population coding."""

import math

import pytest
import torch
from torch import Tensor

from bitspike.encoding import PopEncoder, PopSpikeEncoderDeterministic, PopSpikeEncoderRandom
from bitspike.spikes import SpikeTensor

KINDS = (PopEncoder, PopSpikeEncoderDeterministic, PopSpikeEncoderRandom)


def test_activity_by_hand() -> None:
    encoder = PopEncoder(2, 3, 4, (-1.0, 1.0), 0.5)
    out = encoder(torch.tensor([[0.0, 1.0]]))
    assert out.shape == (4, 1, 6)
    near, far = math.exp(-2), math.exp(-8)
    torch.testing.assert_close(out[0, 0], torch.tensor([near, 1, near, far, near, 1]))
    assert torch.equal(out[3], out[0])


def test_deterministic_spikes_have_the_activity_as_their_rate() -> None:
    encoder = PopSpikeEncoderDeterministic(1, 3, 100, (-1.0, 1.0), 1.0)
    rate = encoder(torch.tensor([[0.0]])).mean(0)
    assert (rate - encoder.activity(torch.tensor([[0.0]])) / 0.999).abs().max() <= 0.01
    assert rate[0, 1] == 1


def test_random_spikes_have_the_activity_as_their_rate() -> None:
    encoder = PopSpikeEncoderRandom(1, 3, 20_000, (-1.0, 1.0), 1.0)
    spikes = encoder(torch.tensor([[0.0]]))
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    p = encoder.activity(torch.tensor([[0.0]]))
    sigma = (p * (1 - p) / 20_000).sqrt()
    assert ((spikes.mean(0) - p).abs() <= 5.5 * sigma + 1e-12).all()


@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_width_learn(kind: type[PopEncoder]) -> None:
    encoder = kind(2, 3, 4, (-1.0, 1.0), 0.5)
    encoder(torch.tensor([[0.25, 0.75]])).sum().backward()
    for parameter in (encoder.mean, encoder.std):
        assert isinstance(parameter.grad, Tensor)
        assert parameter.grad.abs().min() > 0


@pytest.mark.backend("numba")
def test_random_spikes_are_bits_and_pass_the_gradient() -> None:
    encoder = PopSpikeEncoderRandom(2, 3, 4, (-1.0, 1.0), 0.5)
    x = torch.tensor([[0.25, 0.75]])
    spikes = encoder(x)
    assert isinstance(spikes, SpikeTensor)
    g = torch.randn(spikes.shape)
    got = torch.autograd.grad(spikes, encoder.mean, g)
    assert torch.equal(got[0], torch.autograd.grad(encoder.activity(x), encoder.mean, g.sum(0))[0])


@pytest.mark.parametrize("kind", KINDS)
def test_another_number_of_observations(kind: type[PopEncoder]) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}: an observation has 2 numbers"):
        kind(2, 3, 4, (-1.0, 1.0), 0.5)(torch.rand(4, 3))
