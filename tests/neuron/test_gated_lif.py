"""GLIF: its special cases by hand, gradients, state."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional
from bitspike.base import StateError
from bitspike.neuron import GatedLIFNode
from bitspike.surrogate import ATan

X = torch.tensor([[0.25], [0.5], [0.5]])
OPEN, SHUT = math.inf, -math.inf


def with_gates(alpha: float, beta: float, gamma: float) -> GatedLIFNode:
    node = GatedLIFNode(
        T=3, init_tau=0.5, init_linear_decay=0.0625, init_v_subreset=0.25, init_conduct=0.5
    )
    with torch.no_grad():
        for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
            getattr(node, name).fill_(value)
    return node


@pytest.mark.parametrize(
    ("gates", "potentials"),
    [  # v_threshold = 0.5
        ((OPEN, SHUT, OPEN), [0.25, 0.625, 0.5]),  # leak by half, reset to 0
        ((SHUT, SHUT, OPEN), [0.1875, 0.625, 0.4375]),  # linear leak, reset to 0
        ((OPEN, SHUT, SHUT), [0.25, 0.625, 0.5625]),  # reset by 0.25
        ((OPEN, OPEN, OPEN), [0.125, 0.3125, 0.40625]),  # conductance 0.5
    ],
)
def test_by_hand(gates: tuple[float, float, float], potentials: list[float]) -> None:
    node = with_gates(*gates)
    expected = [float(v >= 0.5) for v in potentials]
    assert node(X).flatten().tolist() == pytest.approx(expected)
    assert node.v.item() == pytest.approx(potentials[-1])
    assert node.u is node.v


def test_parameters_are_the_logits_of_their_start() -> None:
    node = GatedLIFNode(T=4, inplane=3, init_tau=0.25, init_v_threshold=0.5)
    shapes = {name: tuple(p.shape) for name, p in node.named_parameters()}
    assert shapes.pop("conduct") == (4, 3)
    assert set(shapes.values()) == {(3,)}
    for name, value in {
        "tau": 0.25,
        "v_threshold": 0.5,
        "linear_decay": 0.5 / 8,
        "v_subreset": 0.5,
        "conduct": 0.5,
    }.items():
        torch.testing.assert_close(
            getattr(node, name).sigmoid(), torch.full_like(getattr(node, name), value)
        )
    assert (node.alpha.abs() <= 0.1).all()
    torch.manual_seed(5)
    first = GatedLIFNode(T=4).alpha
    torch.manual_seed(5)
    assert torch.equal(first, GatedLIFNode(T=4).alpha)


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 3, 2)])
@pytest.mark.parametrize("inplane", [None, 3])
def test_gradcheck_with_inputs_of_any_shape(shape: tuple[int, ...], inplane: int | None) -> None:
    if inplane and len(shape) < 2:
        shape = (2, 3)
    node = GatedLIFNode(T=3, inplane=inplane, surrogate_function=ATan(spiking=False)).double()
    names = [name for name, _ in node.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> Any:
        node.reset()
        return torch.func.functional_call(node, dict(zip(names, values, strict=True)), (x,))

    x = torch.rand(3, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (x, *node.parameters()), fast_mode=True)


def test_channels_have_parameters_of_their_own() -> None:
    node = GatedLIFNode(T=1, inplane=2)
    with torch.no_grad():
        node.v_threshold.copy_(torch.tensor([-math.inf, math.inf]))  # 0 and 1
    s = node(torch.full((1, 1, 2, 3), 0.5))
    assert s.flatten().tolist() == [1, 1, 1, 0, 0, 0]


def test_state() -> None:
    node = GatedLIFNode(T=3)
    node(X).sum().backward()
    copy.deepcopy(node)
    with pytest.raises(StateError, match="already freed"):
        node(X)
    functional.reset_net(node)
    assert node.v == node.u == 0.0
    node(X)
    with pytest.raises(StateError, match="shape"):
        node(X.expand(3, 4))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"init_tau": 1.0}, "init_tau must lie between 0 and 1"),
        ({"init_conduct": 0}, "init_conduct"),
        ({"init_linear_decay": 1.5}, "init_linear_decay"),
        ({"init_v_subreset": -1}, "init_v_subreset"),
        ({"init_v_threshold": 2}, "init_v_threshold"),
        ({"inplane": 0}, "inplane"),
        ({"step_mode": "s"}, "step_mode must be 'm'"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"GatedLIFNode: {words}"):
        GatedLIFNode(T=2, **options)


def test_bad_inputs() -> None:
    with pytest.raises(ValueError, match=r"T = 3, but got shape \(4, 1\)"):
        GatedLIFNode(T=3)(torch.zeros(4, 1))
    with pytest.raises(ValueError, match=r"inplane=2 channels, but got shape \(3, 1, 4\)"):
        GatedLIFNode(T=3, inplane=2)(torch.zeros(3, 1, 4))
