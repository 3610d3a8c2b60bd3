"""OTTT and SLTT: traces by hand, and no gradient back in time."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional
from bitspike.neuron import LIFNode, OTTTLIFNode, SLTTLIFNode
from bitspike.surrogate import ATan


def test_trace_by_hand() -> None:
    node = OTTTLIFNode(tau=2)
    outputs = [node(torch.tensor([x])) for x in (1.0, 0.0, 2.0, 0.5)]  # h = 1, 0, 2, 1
    assert [s.item() for s, _ in outputs] == [1, 0, 1, 1]
    assert [trace.item() for _, trace in outputs] == [1, 0.5, 1.25, 1.625]
    assert node.trace is outputs[-1][1]


@pytest.mark.parametrize("cls", [OTTTLIFNode, SLTTLIFNode])
def test_the_same_spikes_as_a_lif_neuron(cls: Any) -> None:
    options: dict[str, Any] = {"tau": 3, "decay_input": False, "v_reset": None, "v_threshold": 0.5}
    node: Any = cls(**options).eval()
    lif: Any = LIFNode(**options)
    for x in torch.randn(6, 4) + 0.3:
        assert torch.equal(node(x), lif(x))
    assert torch.equal(node.v, lif.v)


@pytest.mark.parametrize("cls", [OTTTLIFNode, SLTTLIFNode])
def test_no_gradient_goes_back_in_time(cls: Any) -> None:
    node = cls(surrogate_function=ATan(), v_reset=None)
    x = torch.rand(3, 4, requires_grad=True)
    outputs = [node(one) for one in x]
    last: Any = outputs[-1][0] if cls is OTTTLIFNode else outputs[-1]
    last.sum().backward()
    assert x.grad is not None
    assert (x.grad[:2] == 0).all()
    assert (x.grad[2] != 0).all()
    node(x[0].detach())  # so the freed graph does not matter


@pytest.mark.parametrize("cls", [OTTTLIFNode, SLTTLIFNode])
def test_evaluation(cls: Any) -> None:
    node = cls().eval()
    x = torch.ones(4, requires_grad=True)
    s = node(x * 2)
    assert isinstance(s, Tensor)
    assert not s.requires_grad
    if cls is OTTTLIFNode:
        assert node.trace is None


def test_state() -> None:
    node = OTTTLIFNode(store_v_seq=True)
    for _ in range(2):
        node(torch.ones(4, requires_grad=True))
    assert node.v_seq is not None
    assert node.v_seq.shape == (2, 4)
    copy.deepcopy(node)
    functional.reset_net(node)
    assert node.trace is node.v_seq is None
    assert node.v == 0.0


def test_single_step_only() -> None:
    for cls in (OTTTLIFNode, SLTTLIFNode):
        with pytest.raises(ValueError, match=f"{cls.__name__}: step_mode must be 's'"):
            cls(step_mode="m")
    with pytest.raises(ValueError, match="greater than 1"):
        SLTTLIFNode(tau=1.0)
