"""Layers for online training."""

import torch
from torch import Tensor, nn

from bitspike import layer, neuron


def pair() -> list[Tensor]:
    spike = (torch.rand(3, 4) < 0.5).float().requires_grad_()
    return [spike, torch.rand(3, 4)]


def test_replace_gives_the_second_and_the_gradient_to_both() -> None:
    x, y = torch.rand(3, requires_grad=True), torch.rand(3, requires_grad=True)
    out = layer.ReplaceforGrad.apply(x, y)  # type: ignore[no-untyped-call]
    assert torch.equal(out, y)
    weight = torch.rand(3)
    for gradient in torch.autograd.grad((weight * out).sum(), [x, y]):
        assert torch.equal(gradient, weight)


def test_the_weights_gradient_is_that_of_the_trace() -> None:
    linear = nn.Linear(4, 2)
    spike, trace = pair()
    y = layer.GradwithTrace(linear)([spike, trace])
    torch.testing.assert_close(y, linear(spike))
    grad_y = torch.rand(3, 2)
    grad_x, grad_weight = torch.autograd.grad(y, [spike, linear.weight], grad_y)
    torch.testing.assert_close(grad_weight, grad_y.T @ trace)
    torch.testing.assert_close(grad_x, grad_y @ linear.weight)


def test_an_operation_on_spikes_and_on_their_trace() -> None:
    spike, trace = pair()
    one, other = layer.SpikeTraceOp(nn.Flatten(0))([spike, trace])
    assert torch.equal(one, spike.flatten())
    assert torch.equal(other, trace.flatten())
    assert one.requires_grad
    assert not other.requires_grad


class Source(nn.Module):
    """Spikes with their trace, as a neuron for online training returns them."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [x, 2.0 * x.detach()]


def test_the_sequence_takes_each_module_in_its_way() -> None:
    linear = nn.Linear(8, 2)
    net = layer.OTTTSequential(Source(), nn.Unflatten(1, (2, 4)), nn.Flatten(), linear)
    x = torch.rand(3, 8)
    y = net(x)
    torch.testing.assert_close(y, linear(x))
    (gradient,) = torch.autograd.grad(y.sum(), linear.weight)
    torch.testing.assert_close(gradient, torch.ones(2, 3) @ (2.0 * x))


def test_a_neuron_sees_the_spikes_alone() -> None:
    node = neuron.IFNode(v_threshold=5.0)
    net = layer.OTTTSequential(Source(), nn.Flatten(), node)
    x = torch.rand(3, 8)
    assert torch.equal(net(x), torch.zeros(3, 8))
    assert isinstance(node.v, Tensor)
    assert torch.equal(node.v, x)


def test_what_is_no_pair_passes_as_in_sequential() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    x = torch.rand(2, 4)
    assert torch.equal(layer.OTTTSequential(*net)(x), net(x))
