"""A forgotten reset is noticed, and nothing else is taken for one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, layer, neuron
from bitspike.base import StateError

CURE = r"Call functional\.reset_net\(net\) after each batch"


def network(step_mode: str = "s") -> nn.Sequential:
    net = nn.Sequential(
        layer.Linear(3, 4),
        neuron.LIFNode(),
        nn.Sequential(layer.Linear(4, 2), neuron.ParametricLIFNode()),
    )
    functional.set_step_mode(net, step_mode)
    return net


def batch(step_mode: str = "s", B: int = 5) -> Tensor:
    return torch.randn(B, 3) if step_mode == "s" else torch.randn(4, B, 3)


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_changed_batch_shape(step_mode: str) -> None:
    net = network(step_mode)
    net(batch(step_mode, 5))
    with pytest.raises(
        StateError, match=rf"LIFNode '1': .*'v'.*\(5, 4\) on cpu.*\(2, 4\) on cpu\. {CURE}"
    ):
        net(batch(step_mode, 2))
    functional.reset_net(net)
    net(batch(step_mode, 2))


def test_changed_device() -> None:
    node = neuron.IFNode()
    node(torch.zeros(2, 4))
    with pytest.raises(StateError, match=rf"\(2, 4\) on cpu.*\(2, 4\) on meta\. {CURE}"):
        node(torch.zeros(2, 4, device="meta"))


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_freed_graph(step_mode: str) -> None:
    net = network(step_mode)
    net(batch(step_mode)).sum().backward()
    with pytest.raises(StateError, match=rf"LIFNode '1': .*'v' .*already freed\. {CURE}"):
        net(batch(step_mode))
    functional.reset_net(net)
    net(batch(step_mode)).sum().backward()


@pytest.mark.parametrize("name_it", [functional.reset_net, functional.detach_net, None])
def test_the_error_names_the_module(name_it: Callable[[nn.Module], None] | None) -> None:
    net = nn.Sequential(nn.Identity(), nn.Sequential(neuron.IFNode()))
    if name_it is not None:
        name_it(net)
    net(torch.zeros(2))
    with pytest.raises(StateError, match="^IFNode '1.0': " if name_it else "^IFNode: "):
        net(torch.zeros(3))


def test_a_lone_neuron_has_no_name() -> None:
    node = neuron.IFNode()
    functional.reset_net(node)
    node(torch.zeros(2))
    with pytest.raises(StateError, match=r"^IFNode: "):
        node(torch.zeros(3))


def test_freed_graph_of_a_learned_time_constant_alone() -> None:
    node = neuron.ParametricLIFNode()
    node(torch.rand(2, 3)).sum().backward()
    with pytest.raises(StateError, match="already freed"):
        node(torch.rand(2, 3))


def test_no_alarm_with_retain_graph() -> None:
    net = network()
    net(batch()).sum().backward(retain_graph=True)
    net(batch()).sum().backward()


def test_no_alarm_in_truncated_bptt() -> None:
    net = network("m")
    for _ in range(3):
        net(batch("m")).sum().backward()
        functional.detach_net(net)


def test_no_alarm_when_the_user_cuts_the_graph() -> None:
    node = neuron.LIFNode()
    x = torch.rand(2, 3, requires_grad=True)
    node(x).sum().backward()
    assert isinstance(node.v, Tensor)
    node.v = node.v.detach()
    node(x).sum().backward()
    node.v = torch.zeros(2, 3, requires_grad=True)
    node(x).sum().backward()
    assert isinstance(node.v, Tensor)


def test_no_alarm_before_backward() -> None:
    net = network()
    loss = net(batch()).sum()
    loss += net(batch()).sum()
    loss.backward()


@pytest.mark.parametrize("grad", [True, False])
def test_no_alarm_in_evaluation(grad: bool) -> None:
    net = network().eval()
    with torch.set_grad_enabled(grad):
        for _ in range(3):
            net(batch())


def test_no_alarm_in_evaluation_after_training() -> None:
    net = network()
    net(batch()).sum().backward()
    functional.reset_net(net)
    with torch.inference_mode():
        net(batch())
        net(batch())
    functional.reset_net(net)
    net(batch()).sum().backward()


def test_no_alarm_when_evaluation_follows_in_the_same_state() -> None:
    node = neuron.LIFNode()
    x = torch.rand(2, 3, requires_grad=True)
    loss = node(x).sum()
    with torch.no_grad():
        node(x)  # the state hangs on no graph now
    loss.backward()
    node(x)


def test_no_alarm_with_create_graph() -> None:
    net = network()
    x = batch().requires_grad_()
    (grad,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    assert grad.requires_grad
    net(x)


def test_frozen_network_on_plain_data_never_alarms() -> None:
    net = network().requires_grad_(False)
    head = nn.Linear(2, 1)
    for _ in range(3):
        head(net(batch())).sum().backward()
