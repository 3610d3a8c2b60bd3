"""Spike functions that learn their shape, compiled: outputs and every gradient."""

import gc
import weakref
from typing import Any

import pytest
import torch
from tests.kernels.scan.test_numba import assert_parity, compiled
from torch import Tensor, nn

from bitspike import neuron, surrogate
from bitspike.kernels.scan.record import record

LEARNING = [
    name
    for name, cls in surrogate.registry.items()
    if cls.names and cls.deterministic and name != "MultiLevelSpikeCount"
]


def learning(name: str, shape: tuple[int, ...]) -> Any:
    """A surrogate whose numbers are parameters; those that count stay as they are."""
    cls: Any = surrogate.registry[name]
    given = zip(cls.names, cls().parameters_of_shape(), strict=True)
    return cls(**{
        key: value if isinstance(value, int) else nn.Parameter(torch.full(shape, 0.9 * value))
        for key, value in given
    })  # fmt: skip


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("shape", [(), (3, 1)], ids=["one", "one a sample"])
@pytest.mark.parametrize("name", LEARNING)
def test_every_surrogate_that_learns(name: str, shape: tuple[int, ...]) -> None:
    for v_reset in (0.0, None):
        node = neuron.LIFNode(v_reset=v_reset, surrogate_function=learning(name, shape))
        assert len(list(node.parameters())) >= 1
        assert_parity(node, torch.randn(5, 3, 6) * 1.5, torch.randn(3, 6))


@pytest.mark.usefixtures("interpreted")
def test_kernels_follow_a_shape_that_changes() -> None:
    spike = learning("ATan", ())
    node = neuron.LIFNode(surrogate_function=spike)
    x, v = torch.randn(5, 3, 6), torch.zeros(3, 6)
    gradients = []
    for alpha in (2.0, 5.0):
        with torch.no_grad():
            spike.alpha.fill_(alpha)
        assert_parity(node, x, v)
        given = x.clone().requires_grad_()
        y, _, _ = compiled(node.step, given, [v])
        gradients.append(torch.autograd.grad(y.sum(), [given, spike.alpha]))
    assert not torch.equal(gradients[0][0], gradients[1][0])
    assert gradients[0][1] != gradients[1][1]


@pytest.mark.usefixtures("interpreted")
def test_kernels_do_not_keep_a_surrogate_alive() -> None:
    spike = learning("ATan", ())
    alpha = weakref.ref(spike.alpha)
    node = neuron.LIFNode(surrogate_function=spike)
    compiled(node.step, torch.randn(5, 3, 6), [torch.zeros(3, 6)])
    del spike, node
    gc.collect()
    assert alpha() is None


def reason(step: Any, x: Tensor, v: Tensor) -> str:
    why = record(step, 1, x.shape[1:], x)
    assert isinstance(why, str)
    return why


class Counting(neuron.IFNode):
    """A step that does something beside its arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.last: Any = None

    def charge(self, x: Any, v: Any) -> Any:
        self.steps += 1
        self.last = v
        return x + v


def test_a_step_with_side_effects_is_not_compiled() -> None:
    node = Counting()
    why = reason(node.step, torch.zeros(2, 3), torch.zeros(3))
    assert "it writes into last, steps" in why
    assert (node.steps, node.last) == (0, None), "recording is no step"
    node.step_mode = "m"
    node(torch.zeros(4, 3))
    assert node.steps == 4
    assert isinstance(node.last, Tensor)


def test_a_step_that_works_in_place_is_not_compiled() -> None:
    total = torch.zeros(3)

    def step(x: Any, v: Any) -> Any:
        total.add_(x)
        return v + x, v

    assert "it calls add_()" in reason(step, torch.ones(2, 3), torch.zeros(3))
    assert not total.any()


def test_a_wider_parameter_is_left_to_the_reference() -> None:
    threshold = torch.ones(3, dtype=torch.float64)

    def step(x: Any, v: Any) -> Any:
        return v + x - threshold, v

    x = torch.zeros(2, 1, 3)
    assert "a parameter is torch.float64, the input torch.float32" in reason(step, x, x[0])
    assert not isinstance(record(step, 1, (1, 3), x.double()), str)


def test_a_parameter_that_is_used_twice_is_one_argument() -> None:
    weight = torch.ones(3)
    recorded = record(lambda x, v: (weight * x, weight * v), 1, (1, 3), torch.zeros(1, 3))
    assert not isinstance(recorded, str)
    assert len(recorded.fields) == 1
