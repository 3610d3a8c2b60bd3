"""Shape parameters that are tensors, and may be learned."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from bitspike import neuron, surrogate
from bitspike.surrogate import registry

SMOOTH = [
    name
    for name, cls in registry.items()
    if cls.names and not {"n", "max_spike_count"} & set(cls.names)
]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_of_the_shape_is_the_primitive_s(name: str) -> None:
    x = torch.tensor([-3.1, -0.4, 0.05, 0.3, 4.0]).double().requires_grad_()
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0, 1.0]).double()
    cls: Any = registry[name]
    values = {n: nn.Parameter(torch.tensor(1.7).double()) for n in cls.names}
    results = []
    for spiking in (True, False):
        function = cls(**values, spiking=spiking)
        assert set(function.parameters()) == set(values.values())
        y = function(x)
        grads = torch.autograd.grad((weight * y).sum(), [x, *values.values()])
        results.append((y, *grads))
    assert torch.equal(results[0][0], surrogate.heaviside(x))
    for spiking_grad, smooth_grad in zip(results[0][1:], results[1][1:], strict=True):
        torch.testing.assert_close(spiking_grad, smooth_grad)
        assert spiking_grad.abs().max() > 0


def test_gradient_of_alpha_by_hand() -> None:
    alpha = nn.Parameter(torch.tensor(2.0))
    function = surrogate.SoftSign(alpha)
    y = function(torch.tensor([0.5]))
    y.backward()
    assert y.item() == 1.0
    assert alpha.grad is not None
    assert alpha.grad.item() == 0.0625  # x / (2 (1 + alpha abs(x))^2) = 0.5 / 8


def test_one_alpha_for_each_channel() -> None:
    alpha = nn.Parameter(torch.tensor([[1.0], [4.0]]))
    function = surrogate.ATan(alpha)
    x = torch.zeros(3, 2, 5, requires_grad=True)
    function(x).sum().backward()
    assert x.grad is not None
    assert x.grad[:, 0].tolist() == [[0.5] * 5] * 3
    assert x.grad[:, 1].tolist() == [[2.0] * 5] * 3
    assert repr(function) == "ATan(alpha=tensor of shape [2, 1], spiking=True)"


def test_half_precision_keeps_its_dtype() -> None:
    x = torch.randn(4, dtype=torch.float16, requires_grad=True)
    y = surrogate.Sigmoid(nn.Parameter(torch.tensor([2.0])))(x)
    y.sum().backward()
    assert y.dtype is torch.float16
    assert x.grad is not None
    assert x.grad.dtype is torch.float16


def test_a_tensor_that_is_not_learned_moves_with_the_module() -> None:
    function = surrogate.Erf(torch.tensor([1.0, 2.0]))
    assert list(function.parameters()) == []
    assert function.state_dict() == {}
    assert function.double().alpha.dtype is torch.float64
    assert torch.equal(copy.deepcopy(function).alpha, function.alpha)  # type: ignore[arg-type]


def test_a_tensor_that_depends_on_a_parameter_gets_its_gradient() -> None:
    raw = torch.tensor(0.0, requires_grad=True)
    (grad,) = torch.autograd.grad(surrogate.atan(torch.tensor([1.0]), torch.exp(raw)), raw)
    assert grad.item() > 0


def test_a_neuron_learns_it() -> None:
    alpha = nn.Parameter(torch.tensor(2.0))
    node = neuron.LIFNode(surrogate_function=surrogate.ATan(alpha), step_mode="m")
    assert alpha in set(node.parameters())
    (grad,) = torch.autograd.grad(node(torch.randn(4, 3, 2)).sum(), alpha)
    assert grad.abs() > 0
