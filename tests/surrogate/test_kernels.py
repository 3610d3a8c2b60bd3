"""Surrogates in compiled kernels: users' own too, and what is left to the reference."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, kernels, neuron, surrogate
from bitspike.surrogate import SurrogateFunctionBase, registry


def run(spike: SurrogateFunctionBase, x: Tensor, backend: str) -> list[Tensor]:
    node = neuron.LIFNode(surrogate_function=spike, step_mode="m")
    functional.set_backend(node, backend)
    x = x.clone().requires_grad_()
    s = node(x) + 0
    weight = torch.linspace(-1, 2, s.numel()).view_as(s)
    return [s, *torch.autograd.grad((weight * s).sum(), [x, *node.parameters()])]


@pytest.fixture
def triangle() -> Any:
    """The surrogate of docs/surrogates.md."""

    class Triangle(SurrogateFunctionBase):
        @staticmethod
        def derivative(x: Any, width: Any = 1.0) -> Any:
            return torch.clamp_min(1 - torch.abs(x) / width, 0) / width

    yield Triangle
    registry.pop("Triangle")


def test_a_user_s_surrogate_gets_the_kernel(triangle: Any) -> None:
    for shape in ({}, {"width": 2.5}):
        x = torch.randn(6, 3, 9) * 2
        eager, fused = (run(triangle(**shape), x, backend) for backend in ("eager", "numba"))
        assert torch.equal(eager[0], fused[0])
        torch.testing.assert_close(eager[1], fused[1])
        assert eager[1].abs().max() > 0


def test_random_spikes_run_on_the_reference() -> None:
    with pytest.raises(kernels.BackendError, match="cannot run"):
        run(surrogate.PoissonPass(), torch.rand(4, 3, 2), "numba")


def test_a_learned_shape_has_the_gradient_of_the_primitive() -> None:
    x = 2 * torch.rand(4, 3, 2)
    spike = surrogate.ATan(nn.Parameter(torch.tensor(2.0)))
    eager, fused = (run(spike, x, backend) for backend in ("eager", "numba"))
    for got, want in zip(fused, eager, strict=True):
        torch.testing.assert_close(got, want)
    assert eager[2] != 0


class _Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return surrogate.heaviside(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return 3 * grad


@pytest.mark.backend("auto")
def test_a_gradient_written_by_hand_is_not_lost() -> None:
    """A kernel made of the forward pass alone would give a gradient of zero."""
    spike: Any = _Own.apply
    node = neuron.IFNode(surrogate_function=spike, step_mode="m")
    x = torch.ones(1, 2, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(node(x).sum(), x)
    assert grad.tolist() == [[[3.0] * 3] * 2]
    with pytest.raises(kernels.BackendError, match=r"in an autograd\.Function"):
        run(spike, torch.ones(1, 2, 3), "numba")
