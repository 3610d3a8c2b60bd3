"""Activation checkpointing runs modules again inside of backward, where their state is another."""

from typing import Any

import pytest
import torch
from tests.processes import Process
from torch import Tensor, nn
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from bitspike import base, encoding, functional, layer, neuron
from bitspike.base import StateError


def _net(mode: str = "m", *more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(layer.Linear(12, 12), *more, neuron.LIFNode(), layer.Linear(12, 5))
    functional.set_step_mode(net, mode)
    return net


def _run(net: Any, x: Tensor, reentrant: bool) -> Tensor:
    y: Tensor = checkpoint(net, x, use_reentrant=reentrant)
    return y


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("reentrant", [True, False])
def test_neurons_refuse(mode: str, reentrant: bool, backend: str) -> None:
    net = _net(mode)
    functional.set_backend(net, backend)
    y = _run(net, torch.rand(4, 3, 12, requires_grad=True), reentrant)
    with pytest.raises(StateError, match=r"LIFNode '1'.*functional\.save_memory"):
        torch.autograd.backward(y.sum())


def test_a_reset_before_backward_does_not_help() -> None:
    """Nobody knows from which state the first run had started."""
    net = _net()
    y = _run(net, torch.rand(4, 3, 12, requires_grad=True), False)
    functional.reset_net(net)
    with pytest.raises(StateError, match="second time inside of backward"):
        torch.autograd.backward(y.sum())


@pytest.mark.backend("auto")
def test_fused_layers_refuse() -> None:
    net = layer.FusedSequential(layer.Linear(12, 5, bias=False), neuron.LIFNode())
    functional.set_step_mode(net, "m")
    s = encoding.PoissonEncoder(step_mode="m")(torch.rand(3, 12).expand(4, 3, 12))
    y = _run(net, s, False)
    with pytest.raises(StateError, match=r"LIFNode '1'"):
        torch.autograd.backward(y.sum())


@pytest.mark.parametrize("training", [True, False])
def test_dropout_refuses_where_it_has_a_mask(training: bool) -> None:
    net = nn.Sequential(layer.Linear(12, 12), layer.Dropout(0.5)).train(training)
    functional.set_step_mode(net, "m")
    x = torch.rand(4, 3, 12, requires_grad=True)
    y = _run(net, x, False)
    if training:
        with pytest.raises(StateError, match="Dropout '1'"):
            torch.autograd.backward(y.sum())
    else:
        torch.autograd.backward(y.sum())
        assert x.grad is not None


def _gradients(net: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(y.square().sum(), [x, *net.parameters()]))


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_states_that_are_given_are_right(backend: str) -> None:
    """The functional form has no state of its own, and save_memory winds states back."""
    net = _net()
    functional.set_backend(net, backend)
    x = torch.rand(4, 3, 12, requires_grad=True)
    wanted = _gradients(net, x, net(x))
    functional.reset_net(net)
    states = tuple(base.extract_memories(net))
    (y,), _ = checkpoint(base.to_functional_forward(net), (x,), states, use_reentrant=False)
    for got, want in zip(_gradients(net, x, y), wanted, strict=True):
        torch.testing.assert_close(got, want)
    functional.save_memory(net)
    for got, want in zip(_gradients(net, x, net(x)), wanted, strict=True):
        torch.testing.assert_close(got, want)


STATELESS = """
import torch
from torch.utils.checkpoint import checkpoint
from bitspike import layer, neuron, functional

def net():
    torch.manual_seed(0)
    first = torch.nn.Sequential(layer.Conv2d(1, 16, 3), layer.BatchNorm2d(16), neuron.LIFNode())
    rest = torch.nn.Sequential(
        layer.Conv2d(16, 16, 3), layer.MaxPool2d(2), layer.Flatten(), layer.Linear(64, 5)
    )
    second, last = neuron.LIFNode(), layer.Linear(5, 3)
    for one in (first, rest, second, last):
        functional.set_step_mode(one, "m")
    return first, rest, second, last

found = []
for again in (True, False):
    first, rest, second, last = net()
    s = first(3 * torch.rand(4, 40, 1, 8, 8, generator=torch.Generator().manual_seed(1)))
    y = second(checkpoint(rest, s, use_reentrant=False) if again else rest(s))
    z = (checkpoint(last, y, use_reentrant=False) if again else last(y)) + last(y).square()
    parameters = [p for one in (first, rest, last) for p in one.parameters()]
    found.append(torch.autograd.grad(z.square().sum(), parameters))
assert sum(float(a.abs().max()) > 1e-3 for a in found[1]) > 5
for a, b in zip(*found):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
"""


def test_layers_in_the_first_step_of_a_process() -> None:
    """Nothing may be measured or compiled in the caller's context, where hooks count it."""
    result = Process(STATELESS).wait()
    assert result.code == 0, result.err


@pytest.mark.backend("auto")
@pytest.mark.parametrize(
    "hooks", [save_on_cpu, lambda: saved_tensors_hooks(Tensor.clone, lambda x: x)]
)
def test_hooks_that_move_what_is_saved(hooks: Any) -> None:
    net, x = _net(), torch.rand(4, 40, 12, requires_grad=True)
    functional.save_memory(net, enabled=False)
    wanted = _gradients(net, x, net(x))
    functional.reset_net(net)
    with hooks():
        y = net(x)
    for got, want in zip(_gradients(net, x, y), wanted, strict=True):
        torch.testing.assert_close(got, want)
