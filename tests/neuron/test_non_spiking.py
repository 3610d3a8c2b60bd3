"""Neurons without spikes: potentials and decoding by hand."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional
from bitspike.neuron import NonSpikingBaseNode, NonSpikingIFNode, NonSpikingLIFNode

X = torch.tensor([[1.0], [-3.0], [1.0]])


@pytest.mark.parametrize(
    ("decode", "value"),
    [("max-mem", 1), ("max-abs-mem", -2), ("mean-mem", -2 / 3), ("last_mem", -1), ("last-me", -1)],
)
def test_decoding(decode: str, value: float) -> None:
    assert NonSpikingIFNode(decode)(X).tolist() == pytest.approx([value])


def test_potentials() -> None:
    assert [v.item() for v in NonSpikingIFNode()(X)] == [1, -2, -1]
    assert [v.item() for v in NonSpikingLIFNode(tau=2)(X)] == [0.5, -1.25, -0.125]


def test_each_call_starts_anew_and_v_is_what_was_last() -> None:
    node = NonSpikingIFNode("last_mem")
    assert torch.equal(node(X), node(X))
    assert node.v.item() == -1
    assert list(node.named_memories()) == []
    node(X.requires_grad_()).backward()
    copy.deepcopy(node)
    functional.reset_net(node)
    assert node.v is None


def test_gradcheck() -> None:
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    for decode in ("max-mem", "max-abs-mem", "mean-mem", "last_mem"):
        assert torch.autograd.gradcheck(NonSpikingLIFNode(3.0, decode), (x,))


def test_a_neuron_of_ones_own() -> None:
    class Decaying(NonSpikingBaseNode):
        def neuronal_charge(self, x: Tensor) -> None:
            self.v = 0.5 * self.v + x

    assert Decaying("last_mem")(X).item() == -0.25
    with pytest.raises(NotImplementedError, match="NonSpikingBaseNode does not define"):
        NonSpikingBaseNode()(X)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NonSpikingIFNode("mean"), "decode must be None or one of max-mem.*'mean'"),
        (lambda: NonSpikingLIFNode(0), "tau must be greater than 0"),
        (lambda: NonSpikingIFNode()(torch.zeros(0, 1)), "T >= 1"),
        (lambda: functional.set_step_mode(NonSpikingIFNode(), "s"), "step mode"),
    ],
)
def test_errors(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
