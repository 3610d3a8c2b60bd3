"""Neurons that hear their own spikes: by hand, and against the neuron that they are built on."""

from typing import Any

import pytest
import torch
from torch import nn

from bitspike import neuron
from bitspike.neuron import LIFNode, RecurrentLIFNode, RecurrentSynapticNode
from bitspike.testing import check_neuron


@torch.no_grad()
def test_own_feedback_by_hand() -> None:
    node = RecurrentLIFNode(tau=2.0, step_mode="m", store_v_seq=True)
    node.weight.fill_(2.0)
    x = torch.tensor([2.0, 0.0, 0.0, 0.0]).view(4, 1)
    # h: 1 -> spike; (0 + 2) / 2 = 1 -> spike; again; again
    assert node(x).flatten().tolist() == [1, 1, 1, 1]
    node.weight.fill_(1.0)
    node.reset()
    # h: 1 -> spike; 0.5; 0.25; 0.125
    assert node(x).flatten().tolist() == [1, 0, 0, 0]
    assert node.v_seq is not None
    assert node.v_seq.flatten().tolist() == [0, 0.5, 0.25, 0.125]


@torch.no_grad()
def test_all_to_all_by_hand() -> None:
    node = RecurrentLIFNode(2, tau=2.0, step_mode="m")
    assert isinstance(node.recurrent, nn.Linear)
    node.recurrent.weight.copy_(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))  # 0 excites 1
    x = torch.zeros(3, 1, 2)
    x[0, 0, 0] = 2.0
    assert node(x)[:, 0].tolist() == [[1, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("recurrent", "plain"),
    [(RecurrentLIFNode, LIFNode), (RecurrentSynapticNode, neuron.SynapticNode)],
)
def test_without_feedback_it_is_the_plain_neuron(recurrent: Any, plain: Any) -> None:
    x = torch.randn(6, 3, 4)
    assert torch.equal(recurrent(step_mode="m")(x), plain(step_mode="m")(x))


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(
    "make",
    [
        RecurrentLIFNode,
        RecurrentSynapticNode,
        lambda: _seeded(RecurrentLIFNode, 5),
        lambda: _seeded(RecurrentSynapticNode, 5),
    ],
)
def test_conformance(make: Any) -> None:
    report = check_neuron(make)
    assert any("state stays out" in line for line in report.passed)


def _seeded(cls: Any, features: int) -> Any:
    torch.manual_seed(0)
    return cls(features)


def test_bad_features() -> None:
    with pytest.raises(ValueError, match="features must be 1 or more"):
        RecurrentLIFNode(0)
