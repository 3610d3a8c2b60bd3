"""Tensors whose memory holds the negative of what they are: torch's lazy negation."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bitspike import encoding, functional, kernels, layer, neuron
from bitspike.spikes import SpikeTensor

pytestmark = pytest.mark.backend("auto")
View = Callable[[Tensor], Tensor]


def lazily(x: Tensor) -> Tensor:
    """``x``, whose memory holds ``-x``."""
    view = (-x)._neg_view()
    assert view.is_neg()
    return view


def of_complex(x: Tensor) -> Tensor:
    """``x`` as the imaginary part of a conjugate: every second number in memory."""
    view = torch.complex(torch.zeros_like(x), -x).conj().imag
    assert view.is_neg()
    return view


def as_it_is(x: Tensor) -> Tensor:
    return x


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def scan(view: View) -> list[Tensor]:
    found = []
    for size in (1, 2, 64, 70):
        x, v = random(30, 3, size).requires_grad_(), random(3, size).requires_grad_()
        w, c = random(size).requires_grad_(), torch.tensor(0.7, requires_grad=True)

        def step(x: Tensor, v: Tensor, w: Tensor = w, c: Tensor = c) -> tuple[Tensor, Tensor]:
            v = v * view(c) + x * view(w)
            return (v >= 1).to(v) + v, v

        y, (last,), v_seq = kernels.scan(step, view(x), [view(v)], True)
        assert v_seq is not None
        outputs = [y, last, v_seq]
        gradients = [view(random(*one.shape)) for one in outputs]
        found += [*outputs, *torch.autograd.grad(outputs, (x, v, w, c), gradients)]
    return found


def neurons(view: View) -> list[Tensor]:
    found: list[Any] = []
    for size in (1, 64, 65):
        for cls in (neuron.IFNode, neuron.LIFNode):
            node = cls(step_mode="m")
            found += [functional.multi_step_forward(view(random(30, size)), node), node.v]
            functional.reset_net(node)
            found += [
                node(view(random(30, size)).abs()),
                node(view(random(1, size)).expand(5, size)),
            ]
    return found


def linear(view: View) -> list[Tensor]:
    x = neuron.IFNode(step_mode="m")(3 * random(4, 8, 70))
    assert isinstance(x, SpikeTensor)
    weight, bias = random(9, 70).requires_grad_(), random(9).requires_grad_()
    y = F.linear(x, view(weight), view(bias))
    return [y, *torch.autograd.grad(y, (weight, bias), view(random(*y.shape)))]


def convolution(view: View) -> list[Tensor]:
    x = neuron.IFNode(step_mode="m")(3 * random(4, 2, 8, 9, 9))
    net = layer.Conv2d(8, 8, 3, step_mode="m")
    with torch.no_grad():
        net.weight.copy_(random(8, 8, 3, 3))
    y = net(x)
    return list(torch.autograd.grad(y, net.weight, view(random(*y.shape))))


def encoder(view: View) -> list[Tensor]:
    torch.manual_seed(0)
    image = random(8, 1, 6, 6).sigmoid()
    net = encoding.PoissonEncoder(step_mode="m")
    return [net(view(image).expand(20, 8, 1, 6, 6)), net(view(image)), net(view(image[0]))]


@pytest.mark.parametrize("view", [lazily, of_complex])
@pytest.mark.parametrize("compute", [scan, neurons, linear, convolution, encoder])
def test_kernels_take_values_and_not_memory(
    compute: Callable[[View], list[Tensor]], view: View
) -> None:
    for got, want in zip(compute(view), compute(as_it_is), strict=True):
        torch.testing.assert_close(got + 0, want + 0)


def test_minus_zero_reaches_a_threshold_of_zero() -> None:
    for backend in ("eager", "numba"):
        node = neuron.IFNode(v_threshold=0.0, v_reset=None, step_mode="m")
        node.backend = backend
        assert node(torch.full((30, 1, 1), -0.0)).sum() == 30
