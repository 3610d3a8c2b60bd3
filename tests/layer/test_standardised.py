"""Layers whose weights are standardised."""

from typing import Any

import pytest
import torch
from torch import nn

from bitspike import layer


def test_weights_have_mean_0_and_unit_norm() -> None:
    for module in (
        layer.WSConv2d(4, 6, 3, groups=2, eps=0.0),
        layer.WSLinear(9, 5, eps=0.0),
    ):
        weight = module.get_weight().flatten(1)
        n = weight.shape[1]
        torch.testing.assert_close(weight.mean(1), torch.zeros(len(weight)), atol=1e-7, rtol=0)
        # var divides by n - 1, so that the sum of squares is (n - 1) / n
        torch.testing.assert_close(weight.square().sum(1), torch.full((len(weight),), (n - 1) / n))


def test_gain_scales_an_output_and_may_be_left_out() -> None:
    module = layer.WSLinear(4, 3, bias=False)
    assert module.gain is not None
    x = torch.rand(2, 4)
    y = module(x)
    with torch.no_grad():
        module.gain[1] = 3.0
    torch.testing.assert_close(module(x), y * torch.tensor([1.0, 3.0, 1.0]))
    assert layer.WSLinear(4, 3, gain=False).gain is None
    assert "gain" not in layer.WSConv2d(4, 3, 1, gain=False).state_dict()


@pytest.mark.parametrize("padding_mode", ["zeros", "circular", "reflect"])
def test_convolution_is_torch_s_with_these_weights(padding_mode: Any) -> None:
    ours = layer.WSConv2d(2, 3, 3, 2, 1, padding_mode=padding_mode, step_mode="m")
    theirs = nn.Conv2d(2, 3, 3, 2, 1, padding_mode=padding_mode)
    with torch.no_grad():
        theirs.weight.copy_(ours.get_weight())
        assert theirs.bias is not None
        assert ours.bias is not None
        theirs.bias.copy_(ours.bias)
    x = torch.rand(4, 2, 2, 7, 7)
    torch.testing.assert_close(ours(x), theirs(x.flatten(0, 1)).view(4, 2, 3, 4, 4))


def test_dtype_reaches_all_parameters() -> None:
    for module in (
        layer.WSConv2d(2, 3, 3, dtype=torch.float64),
        layer.WSLinear(2, 3, dtype=torch.float64),
    ):
        assert {p.dtype for p in module.parameters()} == {torch.float64}


def test_what_is_no_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="WSLinear: the input must be a sequence"):
        layer.WSLinear(2, 3, step_mode="m")(torch.zeros(2))
