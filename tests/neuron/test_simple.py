"""Simple neurons: those that are written as methods, and one of a user's own."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional, kernels
from bitspike.base import StateError
from bitspike.neuron import IFNode, LIFNode, SimpleBaseNode, SimpleIFNode, SimpleLIFNode


@pytest.mark.parametrize("v_reset", [0.0, None])
@pytest.mark.parametrize(
    ("simple", "node"),
    [
        (lambda **o: SimpleIFNode(**o), lambda **o: IFNode(**o)),
        (lambda **o: SimpleLIFNode(2, True, **o), lambda **o: LIFNode(2, True, **o)),
        (lambda **o: SimpleLIFNode(3, False, **o), lambda **o: LIFNode(3, False, **o)),
    ],
)
@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_they_are_the_other_neurons(
    simple: Any, node: Any, v_reset: float | None, step_mode: str
) -> None:
    options: dict[str, Any] = {"v_reset": v_reset, "step_mode": step_mode, "detach_reset": True}
    ours, other = simple(**options), node(**options)
    x = torch.randn(6, 2, 3) + 0.5
    for one in [x] if step_mode == "m" else x:
        assert torch.equal(ours(one), other(one))
    torch.testing.assert_close(ours.v, other.v, rtol=0, atol=0)


class Doubling(SimpleBaseNode):
    """Nobody has heard of it: it doubles itself, and a spike halves it."""

    def neuronal_charge(self, x: Tensor) -> None:
        self.v = 2 * self.v + x

    def neuronal_reset(self, spike: Tensor) -> None:
        self.v = self.v * (1 - 0.5 * spike)


def test_a_neuron_of_ones_own() -> None:
    x = torch.tensor([[0.5], [0.25], [-2.0]])
    single, multi = Doubling(), Doubling(step_mode="m")
    spikes = torch.stack([single(one) for one in x])
    assert spikes.flatten().tolist() == [0, 1, 0]  # h = 0.5, 1.25, -0.75
    assert torch.equal(multi(x), spikes)
    assert single.v.item() == multi.v.item() == -0.75


class Tired(Doubling):
    """A second memory, of the current."""

    current: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register_memory("current", 0.0)

    def neuronal_charge(self, x: Tensor) -> None:
        self.current = 0.5 * self.current + x
        self.v = 0.5 * self.v + self.current


class Named(Tired):
    state_names = ("v", "current")


@pytest.mark.parametrize("kind", [Tired, Named])
def test_a_second_memory(kind: Any) -> None:
    x = torch.randn(6, 2, 3)
    single, multi = kind(), kind(step_mode="m")
    spikes = torch.stack([single(one) for one in x])
    assert torch.equal(multi(x), spikes)
    assert torch.equal(multi.current, single.current)
    assert torch.equal(multi.v, single.v)
    assert 0 < spikes.mean() < 1


def test_a_memory_that_is_not_named_has_no_kernel() -> None:
    node = Tired(step_mode="m")
    node.backend = "numba"
    with pytest.raises(kernels.BackendError, match=r"Tired.*memories are not all in state_names"):
        node(torch.randn(6, 2, 3))


def test_it_starts_at_zero_whatever_v_reset_is() -> None:
    node = SimpleIFNode(v_reset=-1)
    assert node.v == 0.0
    assert node(torch.tensor([1.0])).item() == 1
    assert node.v.item() == -1
    functional.reset_net(node)
    assert node.v == 0.0


def test_state() -> None:
    node = SimpleIFNode()
    node(torch.ones(2, requires_grad=True)).sum().backward()
    copy.deepcopy(node)
    with pytest.raises(StateError, match="already freed"):
        node(torch.ones(2))
    functional.detach_net(node)
    with pytest.raises(StateError, match="shape"):
        node(torch.ones(3))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: SimpleLIFNode(0.0, True), ValueError, "tau must be greater than 0"),
        (lambda: SimpleIFNode("1"), TypeError, "SimpleIFNode: v_threshold must be a number"),  # type: ignore[arg-type]
        (lambda: SimpleIFNode(step_mode="x"), ValueError, "step_mode"),
        (lambda: SimpleBaseNode()(torch.ones(1)), NotImplementedError, "neuronal_charge"),
        (lambda: SimpleIFNode(step_mode="m")(torch.ones(0, 1)), ValueError, "T >= 1"),
    ],
)
def test_errors(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()
