"""Functional forward against SpikingJelly's, on the same networks and states."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import bitspike
from bitspike import base

T, B = 5, 3


def parameters_of(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]


def build(library: Any, step_mode: str) -> nn.Sequential:
    return nn.Sequential(
        library.layer.Linear(4, 6, step_mode=step_mode),
        library.neuron.LIFNode(v_threshold=0.25, v_reset=None, step_mode=step_mode),
        nn.Sequential(
            library.layer.Linear(6, 2, step_mode=step_mode),
            library.neuron.ParametricLIFNode(v_threshold=-0.25, v_reset=-0.5, step_mode=step_mode),
        ),
    )


@pytest.fixture(params=["s", "m"])
def nets(request: pytest.FixtureRequest, peer: Any) -> tuple[nn.Module, nn.Module]:
    ours: Any = build(bitspike, request.param)
    theirs = build(peer, request.param)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_((16 * parameter).round() / 4)  # exact in any order
        ours[2][0].bias.fill_(1.5)  # spikes in plenty
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


def test_to_functional_forward(peer: Any, nets: Any) -> None:
    multi = nets[0][1].step_mode == "m"
    x = torch.randint(-8, 9, (T, B, 4) if multi else (B, 4)) * 2.0
    results = []
    for library, net in ((base, nets[0]), (peer.base, nets[1])):
        f = library.to_functional_forward(net)
        states: Any = tuple(library.extract_memories(net))
        assert states == (0.0, -0.5)
        inputs, seen = x.clone().requires_grad_(), []
        for _ in range(3):
            (y,), states = f((inputs,), states)
            seen.append(y)
        assert library.extract_memories(net) == [0.0, -0.5]
        (torch.stack(seen).sum() + states[0].sum()).backward()
        results.append([*seen, *states, inputs.grad, *(p.grad for p in net.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert any(y.any() for y in results[0][:3])


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("name", ["IFNode", "LIFNode"])
def test_functional_forward_of_a_neuron(peer: Any, name: str, step_mode: str) -> None:
    x = torch.randint(-8, 9, (T, B)) / 4
    results = []
    for library in (bitspike, peer):
        node = getattr(library.neuron, name)(step_mode=step_mode)
        (v,) = node.materialize_states((x,), (0.0,), step_mode)
        outputs, states = node.functional_forward((x,), (0.0,))
        again, _ = node.functional_forward((x,), states)
        single = node.single_step_functional_forward((x,), (torch.zeros_like(x),))
        multi = node.multi_step_functional_forward((x,), (torch.zeros(B),))
        results.append([v, *outputs, *states, *again, *single[0], *multi[0], *multi[1]])
    for ours, theirs in zip(*results, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "name",
    [
        "forward",
        "functional_forward",
        "materialize_states",
        "multi_step_functional_forward",
        "single_step_functional_forward",
        "get_reset_value",
    ],
)
def test_method_of_memory_module(peer: Any, name: str) -> None:
    ours, theirs = (parameters_of(getattr(m.MemoryModule, name)) for m in (base, peer.base))
    assert ours == theirs


def test_every_name_of_base_is_here(peer: Any) -> None:
    names = {
        name
        for name, value in vars(peer.base).items()
        if getattr(value, "__module__", None) == peer.base.__name__ and not name.startswith("_")
    }
    assert names <= set(base.__all__)
    assert parameters_of(base.to_functional_forward) == parameters_of(
        peer.base.to_functional_forward
    )
