"""Initial weights, and thresholds with a margin."""

from typing import Any

import pytest
import torch
from torch import nn

from bitspike import functional, layer, neuron


def test_kaiming_normal() -> None:
    net: Any = nn.Sequential(layer.Conv2d(16, 32, 5), nn.Linear(300, 200), nn.BatchNorm1d(3))
    bias = net[1].bias.detach().clone()
    functional.kaiming_normal_conv_linear_weight(net)
    for module, fan_in in ((net[0], 400), (net[1], 300)):
        weight = module.weight.detach()
        assert weight.std().item() == pytest.approx((1 / 3 / fan_in) ** 0.5, rel=0.05)
        assert weight.abs().max() > 3 * weight.std(), "normal, not uniform"
    assert torch.equal(net[1].bias, bias)


def test_threshold_margin() -> None:
    node: Any = neuron.IFNode()
    one_hot = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    functional.set_threshold_margin(node, one_hot)
    assert torch.equal(torch.as_tensor(node.v_threshold), torch.tensor([[1.1, 0.9], [0.9, 1.1]]))
    x = torch.ones(2, 2)
    assert node(x).tolist() == [[0, 1], [1, 0]]
    node.reset()
    node.step_mode = "m"
    assert node(x.unsqueeze(0)).tolist() == [[[0, 1], [1, 0]]]
    node.eval()
    functional.set_threshold_margin(node, one_hot, eval_threshold=1.5)
    assert node.v_threshold == 1.5
