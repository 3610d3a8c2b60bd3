"""The tutorial's network: the same spikes in give the same rates and the same weight gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import bitspike

T, B = 20, 16


def build(library: Any, step_mode: str) -> nn.Sequential:
    return nn.Sequential(
        library.layer.Flatten(step_mode=step_mode),
        library.layer.Linear(28 * 28, 10, bias=False, step_mode=step_mode),
        library.neuron.LIFNode(
            tau=2.0, surrogate_function=library.surrogate.ATan(), step_mode=step_mode
        ),
    )


def learn(net: nn.Sequential, spikes: Tensor, labels: Tensor, step_mode: str) -> list[Tensor]:
    """Loss, rates and weight gradient of one batch."""
    if step_mode == "m":
        rate = net(spikes).mean(0)
    else:
        rate = sum((net(step) for step in spikes), torch.zeros(B, 10)) / T
    loss = F.mse_loss(rate, F.one_hot(labels, 10).float())
    (gradient,) = torch.autograd.grad(loss, net[1].weight)  # type: ignore[arg-type]
    return [loss, rate, gradient]


@pytest.mark.parametrize("ours_in", ["s", "m"])
@pytest.mark.parametrize("theirs_in", ["s", "m"])
def test_one_batch(peer: Any, ours_in: str, theirs_in: str) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(B, 1, 28, 28, generator=generator) ** 3
    labels = torch.randint(10, (B,), generator=generator)
    spikes = (torch.rand(T, *image.shape, generator=generator) < image).float()

    ours, theirs = build(bitspike, ours_in), build(peer, theirs_in)
    with torch.no_grad():  # multiples of 1/1024: sums of spikes are exact in any order
        weight = ours[1].weight
        assert isinstance(weight, Tensor)
        weight.copy_((torch.randn(10, 784, generator=generator) * 256).round() / 1024)
    theirs.load_state_dict(ours.state_dict(), strict=True)

    for _ in range(2):
        result = learn(ours, spikes, labels, ours_in)
        expected = learn(theirs, spikes, labels, theirs_in)
        torch.testing.assert_close(result[1], expected[1], rtol=0, atol=1e-6)
        assert torch.equal((T * result[1]).round(), (T * expected[1]).round())
        torch.testing.assert_close(result[0], expected[0], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(result[2], expected[2], rtol=1e-6, atol=1e-6)
        assert result[2].abs().max() > 1e-4
        assert 0.05 < result[1].mean() < 0.95
        bitspike.functional.reset_net(ours)
        peer.functional.reset_net(theirs)
