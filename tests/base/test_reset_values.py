"""A reset value of its own for each neuron."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import base, functional, neuron
from bitspike.base import StateError

T, B, N = 4, 3, 5
START = torch.linspace(-0.5, 0.75, N)


def made(kind: str, step_mode: str, backend: str) -> Any:
    node = getattr(neuron, kind)(step_mode=step_mode)
    node.backend = backend
    node.set_reset_value("v", START)
    node.reset()
    return node


def by_hand(kind: str, x_seq: Tensor) -> tuple[Tensor, Tensor]:
    """The same with the potential given as a whole."""
    node = made(kind, "m", "eager")
    node.v = START.expand(B, N).clone()
    return node(x_seq), node.v


@pytest.mark.parametrize(
    ("step_mode", "backend"),
    [("s", "eager"), ("m", "eager"), pytest.param("m", "numba", marks=pytest.mark.backend("numba")),
     pytest.param("s", "numba", marks=pytest.mark.backend("numba"))],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["LIFNode", "IzhikevichNode", "ParametricLIFNode"])
def test_it_holds_for_every_sample(kind: str, step_mode: str, backend: str) -> None:
    x_seq = torch.rand(T, B, N, generator=torch.Generator().manual_seed(0)) * 2
    wanted, v = by_hand(kind, x_seq)
    node = made(kind, step_mode, backend)
    for _ in range(2):
        y = node(x_seq) if step_mode == "m" else torch.stack([node(x) for x in x_seq])
        assert torch.equal(y, wanted)
        assert torch.equal(node.v, v)
        functional.reset_net(node)
        assert torch.equal(node.v, START)
    assert torch.equal(node.get_reset_value("v"), START)


def test_the_functional_form() -> None:
    x_seq = torch.rand(T, B, N)
    wanted, v = by_hand("LIFNode", x_seq)
    node = made("LIFNode", "m", "auto")
    for call in (node.functional_forward, base.to_functional_forward(torch.nn.Sequential(node))):
        (y,), (after,) = call((x_seq,), tuple(node.memories()))
        assert torch.equal(y, wanted)
        assert torch.equal(after, v)


def test_writing_into_the_state_leaves_the_reset_value() -> None:
    node = made("LIFNode", "s", "auto")
    node(torch.zeros(B, N))
    node.v.zero_()
    node.reset()
    assert torch.equal(node.v, START)


def test_copies_and_other_dtypes() -> None:
    node = copy.deepcopy(made("IFNode", "s", "auto")).double()
    node(torch.zeros(B, N, dtype=torch.float64))
    assert (node.v.dtype, node.v.shape) == (torch.float64, (B, N))
    node.reset()
    node(torch.zeros(2, N))
    assert node.v.shape == (2, N)


def test_what_does_not_fit() -> None:
    node = made("IFNode", "s", "auto")
    with pytest.raises(ValueError, match=r"reset value of 'v' has shape \(5,\).*\(3, 4\)"):
        node(torch.zeros(B, 4))
    node(torch.zeros(B, N))
    with pytest.raises(StateError, match="earlier input"):
        node(torch.zeros(2, N))
    node.reset()
    node(torch.ones(N))  # a state without a batch
    with pytest.raises(StateError, match="earlier input"):
        node(torch.zeros(B, N))
