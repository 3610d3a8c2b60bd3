"""The DSR neurons: forward and backward by hand."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from bitspike.neuron import DSRIFNode, DSRLIFNode


def test_if_by_hand() -> None:
    node = DSRIFNode(T=4, v_threshold=2.0, alpha=0.5)
    x = torch.tensor([[1.0], [0.5], [0.5], [0.5]], requires_grad=True)
    y = node(x)  # h = 1, -0.5, 0, 0.5
    assert y.flatten().tolist() == [2, 0, 0, 0]
    (y * torch.tensor([[1.0], [2.0], [3.0], [6.0]])).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [3] * 4  # the mean of 1, 2, 3, 6 at every step
    assert node.v_threshold.grad == 0


@pytest.mark.parametrize(("x", "grad_x", "grad_v"), [(5.0, 0, 12), (-1.0, 0, 0), (0.0, 3, 0)])
def test_if_outside_of_its_range(x: float, grad_x: float, grad_v: float) -> None:
    node = DSRIFNode(T=2, v_threshold=2.0, v_threshold_grad_scaling=2.0)
    inputs = torch.full((2, 1), x, requires_grad=True)
    (node(inputs) * torch.tensor([[2.0], [4.0]])).sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.flatten().tolist() == [grad_x] * 2
    assert node.v_threshold.grad == grad_v


def test_lif_by_hand() -> None:
    tau = 1 / math.log(2)  # beta = 1 / 2
    node = DSRLIFNode(T=3, v_threshold=1.0, tau=tau, delta_t=1.0, alpha=0.5)
    x = torch.tensor([[1.0], [2.5], [0.5]], requires_grad=True)
    y = node(x)  # h = 0.5, 1, 0.25
    assert y.flatten().tolist() == [1, 1, 0]
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.full_like(x, 1 / tau))
    rate = node.weight_rate_spikes(torch.tensor([[4.0], [2.0], [1.0]]), tau, 1.0)
    torch.testing.assert_close(rate, torch.tensor([3 / 1.75]))


def test_threshold_is_clamped_and_learned_or_not() -> None:
    node = DSRIFNode(v_threshold=1, v_threshold_lower_bound=0.5)
    assert isinstance(node.v_threshold, nn.Parameter)
    nn.init.constant_(node.v_threshold, 0.1)
    assert node(torch.ones(1, 1)).item() == 0.5
    fixed = DSRIFNode(v_threshold_training=False)
    assert list(fixed.parameters()) == []
    assert fixed.state_dict() == {}
    assert fixed.double().v_threshold.dtype == torch.float64


def test_dtype_is_that_of_the_input() -> None:
    assert DSRIFNode()(torch.ones(2, 1).double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"T": 1.5}, TypeError, "T must be an integer"),
        ({"alpha": 0}, ValueError, "alpha must lie between 0"),
        ({"alpha": 1.5}, ValueError, "alpha"),
        ({"v_threshold": 0.001}, ValueError, "must not be below v_threshold_lower_bound=0.01"),
        ({"v_threshold_lower_bound": 0}, ValueError, "v_threshold_lower_bound must be greater"),
        ({"step_mode": "s"}, ValueError, "step_mode must be 'm'"),
    ],
)
def test_bad_arguments(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"DSRIFNode: .*{words}"):
        DSRIFNode(**options)


def test_no_time_steps() -> None:
    with pytest.raises(ValueError, match="T >= 1"):
        DSRLIFNode()(torch.zeros(0, 2))
