"""VotingLayer, SpikeCountToBinary, TemporalBinSum, SynapseFilter, PrintShapeModule."""

from typing import Any

import pytest
import torch
from torch import nn

from bitspike import layer


def test_voting() -> None:
    x = torch.tensor([[1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]])
    torch.testing.assert_close(layer.VotingLayer(3)(x), torch.tensor([[2 / 3, 1 / 3]]))
    assert layer.VotingLayer(step_mode="m")(torch.zeros(2, 3, 50)).shape == (2, 3, 5)
    with pytest.raises(ValueError, match=r"must be \[B, C \* 10\], but got \(3, 9\)"):
        layer.VotingLayer()(torch.zeros(3, 9))
    with pytest.raises(ValueError, match="voting_size must be 1 or more"):
        layer.VotingLayer(0)


def test_counts_become_spikes_and_sums_counts() -> None:
    counts = torch.tensor([[[2.0]], [[0.0]], [[3.0]]])
    spread = layer.SpikeCountToBinary(3).eval()
    assert spread(counts).flatten().tolist() == [1, 1, 0, 0, 0, 0, 1, 1, 1]
    assert torch.equal(layer.TemporalBinSum(3).eval()(spread(counts)), counts)
    assert layer.SpikeCountToBinary(2).eval()(counts).flatten().tolist() == [1, 1, 0, 0, 1, 1]


def test_training_passes_counts_through_unless_told_otherwise() -> None:
    counts = torch.tensor([[[2.0]]])
    for kind in (layer.SpikeCountToBinary, layer.TemporalBinSum):
        assert kind(2)(counts) is counts
        assert kind(2, always_convert=True)(counts) is not counts


def test_a_linear_layer_between_them_gives_what_it_gives_on_counts() -> None:
    linear = nn.Linear(4, 3, bias=False).double()
    pair = [layer.SpikeCountToBinary(5, True), layer.TemporalBinSum(5, True)]
    x = torch.randint(0, 6, (3, 2, 4)).double().requires_grad_()
    results = [
        [y, *torch.autograd.grad(y.square().sum(), [x, linear.weight])]
        for y in (linear(x), pair[1](linear(pair[0](x))))
    ]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_the_last_bin_is_filled_up_with_zeros() -> None:
    x = torch.ones(5, 1, 2)
    assert layer.TemporalBinSum(3).eval()(x)[:, 0, 0].tolist() == [3.0, 2.0]


@pytest.mark.parametrize("kind", [layer.SpikeCountToBinary, layer.TemporalBinSum])
def test_bad_slots_and_sequences(kind: Any) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__}: num_slots must be 1 or more"):
        kind(0)
    with pytest.raises(ValueError, match="must be a sequence"):
        kind(2).eval()(torch.zeros(0, 2, 3))


def test_synapse_filter_by_hand() -> None:
    synapse = layer.SynapseFilter(tau=4, step_mode="m")
    y = synapse(torch.tensor([1.0, 0.0, 0.0, 1.0]).view(4, 1))
    assert y.flatten().tolist() == [1.0, 0.75, 0.5625, 1.5625]


def test_synapse_filter_learns_tau() -> None:
    synapse = layer.SynapseFilter(tau=4.0, learnable=True, step_mode="m")
    assert abs(synapse.tau - 4.0) < 1e-6
    (gradient,) = torch.autograd.grad(synapse(torch.eye(3)[:, :1])[-1].sum(), synapse.w)
    # Y[2] = (1 - s)^2, s = 1 / 4 = sigmoid(w): dY/dw = -2 (1 - s) s (1 - s)
    torch.testing.assert_close(gradient.item(), -2 * 0.75 * 0.25 * 0.75)
    for bad in (1, 0.5):
        with pytest.raises(ValueError, match="must be greater than 1"):
            layer.SynapseFilter(tau=bad)


def test_shapes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    x = torch.zeros(2, 3)
    assert layer.PrintShapeModule("after conv")(x) is x
    assert capsys.readouterr().err == "after conv (2, 3)\n"
