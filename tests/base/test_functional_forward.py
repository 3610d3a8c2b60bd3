"""Functional forms: a network as a function of its inputs and states."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, functional, layer, neuron

T, B = 4, 3


class Adder(base.MemoryModule):
    """Two inputs, two outputs, written in the functional form only."""

    def __init__(self) -> None:
        super().__init__()
        self.register_memory("total", 0.0)
        self.register_memory("calls", 0)

    def single_step_functional_forward(
        self, inputs: tuple[Any, ...], states: tuple[Any, ...], **kwargs: Any
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        (x, y), (total, calls) = inputs, states
        total = total + kwargs.get("scale", 1.0) * x + y
        return (total, total * 2), (total, calls + 1)


def network(step_mode: str = "s") -> nn.Sequential:
    net = nn.Sequential(
        layer.Linear(3, 4), neuron.LIFNode(), nn.Sequential(layer.Linear(4, 2), neuron.IFNode())
    )
    functional.set_step_mode(net, step_mode)
    return net


def test_a_loop_over_states_is_the_stateful_loop() -> None:
    net, x_seq = network(), torch.randn(T, B, 3) * 4
    f = base.to_functional_forward(net)
    states = tuple(base.extract_memories(net))
    assert states == (0.0, 0.0)
    outputs = []
    for x in x_seq:
        (y,), states = f((x,), states)
        outputs.append(y)
    assert base.extract_memories(net) == [0.0, 0.0], "the module's own states are left alone"
    expected = torch.stack([net(x) for x in x_seq])
    assert torch.equal(torch.stack(outputs), expected)
    assert expected.any()
    for one, other in zip(states, base.extract_memories(net), strict=True):
        assert torch.equal(one, other)


def test_own_states_survive_a_call_and_an_error() -> None:
    net = network()
    net(torch.ones(B, 3))
    before = base.extract_memories(net)
    f = base.to_functional_forward(net)
    f((torch.ones(5, 3),), (0.0, 0.0))
    with pytest.raises(RuntimeError):
        f((torch.ones(5, 2),), (0.0, 0.0))
    assert all(a is b for a, b in zip(base.extract_memories(net), before, strict=True))
    net(torch.ones(B, 3))


def test_records_are_no_states_and_stay() -> None:
    node = neuron.IFNode(step_mode="m", store_v_seq=True)
    node(torch.ones(T, B))
    v_seq = node.v_seq
    outputs, states = node.functional_forward((torch.ones(T, 7),), (0.0,))
    assert outputs[0].shape == (T, 7)
    assert len(states) == 1
    assert node.v_seq is v_seq
    node.reset()
    assert node.v_seq is None


def test_gradients_flow_through_states() -> None:
    node = neuron.IFNode(v_threshold=100.0)
    v = torch.ones(B, requires_grad=True)
    _, (state,) = node.functional_forward((torch.ones(B),), (v,))
    _, (state,) = node.functional_forward((torch.ones(B),), (state,))
    (grad,) = torch.autograd.grad(state.sum(), v)
    assert (grad > 0.9).all()
    node.functional_forward((torch.ones(B),), (state,))  # a freed graph is the caller's affair


@pytest.mark.parametrize("given", [(), (0.0, 0.0, 0.0)])
def test_number_of_states(given: tuple[float, ...]) -> None:
    net = network()
    with pytest.raises(ValueError, match=rf"2 \(LIFNode.v, IFNode.v\), but {len(given)} were"):
        base.to_functional_forward(net)((torch.ones(B, 3),), given)


def test_a_module_written_in_functional_form_has_the_others() -> None:
    x, y = torch.rand(T, B), torch.rand(T, B)
    expected = torch.cumsum(0.5 * x + y, 0)
    single = Adder()
    steps = [single(a, b, scale=0.5) for a, b in zip(x, y, strict=True)]
    whole = Adder()
    whole.step_mode = "m"
    total, double = whole(x, y, scale=0.5)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(double, 2 * expected)
    assert torch.equal(torch.stack([step[0] for step in steps]), total)
    assert single.calls == whole.calls == T
    assert torch.equal(single.total, whole.total)
    fresh = Adder()
    fresh.step_mode = "m"
    for call in (fresh.functional_forward, base.to_functional_forward(fresh)):
        outputs, states = call((x, y), (0.0, 0), scale=0.5)
        assert torch.equal(outputs[0], total)
        assert states[1] == T
    assert (fresh.total, fresh.calls) == (0.0, 0)


def test_sequential_hands_all_inputs_and_keywords_to_its_first_module() -> None:
    class Sum(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a + b

    net = nn.Sequential(Adder(), Sum())
    x, y = torch.rand(B), torch.rand(B)
    (out,), (total, calls) = base.to_functional_forward(net)((x, y), (1.0, 5), scale=2.0)
    assert torch.equal(total, 1.0 + 2 * x + y)
    assert torch.equal(out, total + total * 2)
    assert calls == 6


def test_fn_stands_in_for_forward() -> None:
    net = network()
    f = base.to_functional_forward(net, lambda x: [net[1](x), 7])
    (spikes, seven), states = f((torch.full((B,), 4.0),), (0.0, 0.5))
    assert spikes.tolist() == [1.0] * B
    assert seven == 7
    assert states[0].tolist() == [0.0] * B
    assert states[1] == 0.5


def test_states_are_materialized() -> None:
    node = neuron.LIFNode(v_reset=0.25)
    x = torch.rand(T, B, requires_grad=True)
    for step_mode, shape in (("s", (T, B)), ("m", (B,))):
        (v,) = node.materialize_states((x,), (0.25,), step_mode)
        assert v.shape == shape
        assert (v == 0.25).all()
        assert not v.requires_grad
        assert node.materialize_states((x,), (v,), step_mode)[0] is v
    assert Adder().materialize_states((x, x), (0.0, 0), "s") == (0.0, 0)
