"""Gradients of gradients through kernels are those of the reference."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bitspike import encoding, functional, layer, neuron, surrogate

Made = tuple[nn.Module, Tensor]


def _linear() -> Made:
    net = nn.Sequential(
        layer.Linear(20, 30), neuron.LIFNode(), layer.Linear(30, 10), neuron.LIFNode()
    )
    return net, 3 * torch.rand(6, 40, 20)


def _many_rows() -> Made:
    """So many that spikes go through tables of subset sums; and a learned tau, a soft reset."""
    net = nn.Sequential(
        layer.Linear(20, 30, bias=False),
        neuron.ParametricLIFNode(v_reset=None),
        layer.Linear(30, 10, bias=False),
        neuron.ParametricLIFNode(detach_reset=True),
    )
    return net, 3 * torch.rand(6, 60, 20)


def _poisson() -> Made:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    net = layer.FusedSequential(
        encoding.PoissonEncoder(), layer.Flatten(), layer.Linear(49, 10, bias=False), node,
        layer.Linear(10, 5, bias=False), neuron.IFNode(),
    )  # fmt: skip
    return net, torch.rand(5, 1, 7, 7).expand(9, 5, 1, 7, 7)


def _table() -> Made:
    net = nn.Sequential(encoding.PoissonEncoder(), layer.Linear(49, 10), neuron.KLIFNode())
    return net, torch.rand(5, 49).expand(9, 5, 49)


def _planes() -> Made:
    net = nn.Sequential(
        layer.Conv2d(3, 16, 3, padding=1), layer.BatchNorm2d(16), neuron.IFNode(),
        layer.MaxPool2d(2), layer.Conv2d(16, 8, 3, padding=1), neuron.LIFNode(), layer.AvgPool2d(2),
        layer.Conv2d(8, 8, 1, 2), neuron.IFNode(), layer.AdaptiveAvgPool2d(1), layer.Flatten(),
        layer.Linear(8, 4),
    )  # fmt: skip
    return net, 2 * torch.randn(4, 3, 3, 8, 8)


def _signals() -> Made:
    net = nn.Sequential(
        layer.Conv1d(3, 8, 3, padding=1), neuron.IFNode(), layer.MaxPool1d(3, 2, 1),
        layer.Conv1d(8, 8, 3), neuron.LIFNode(), layer.AdaptiveAvgPool1d(1), layer.Flatten(),
        layer.Linear(8, 4),
    )  # fmt: skip
    return net, 2 * torch.randn(4, 3, 3, 16)


NETWORKS = [_linear, _many_rows, _poisson, _table, _planes, _signals]


def gradients(make: Callable[[], Made], backend: str, seed: int = 0) -> list[Tensor | None]:
    """Of the square of the loss's gradients, with respect to the input and every parameter."""
    torch.manual_seed(seed)
    net, x = make()
    functional.set_step_mode(net, "m")
    spikes = net[0](x) if isinstance(net[0], encoding.PoissonEncoder) else None  # type: ignore[index]
    if spikes is not None:
        body = net[1:]  # type: ignore[index]
        inputs: list[Tensor] = []
    else:
        body, spikes = net, x.requires_grad_()
        inputs = [x]
    functional.set_backend(body, backend)
    wanted = [*inputs, *body.parameters()]
    # Not a sum of the output: nothing but saved tensors would have a graph in backward.
    loss = body(spikes).mean(0).sum()
    found = torch.autograd.grad(loss, wanted, create_graph=True)
    penalty = torch.stack([one.square().sum() for one in found]).sum()
    return list(torch.autograd.grad(penalty, wanted, allow_unused=True))


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__[1:])
@pytest.mark.backend("auto")
def test_of_networks(make: Callable[[], Made]) -> None:
    torch.use_deterministic_algorithms(True)  # so that small batches go through our batch norm
    try:
        fast, true = gradients(make, "auto"), gradients(make, "eager")
    finally:
        torch.use_deterministic_algorithms(False)
    largest = max(float(one.abs().max()) for one in true if one is not None)
    assert largest > 0
    for ours, wanted in zip(fast, true, strict=True):
        assert (ours is None) == (wanted is None)
        if ours is not None and wanted is not None:
            torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-5 * largest)


@pytest.mark.backend("numba")
def test_of_states_and_recorded_potentials() -> None:
    """And third derivatives, for the reference's graph is an ordinary one."""
    found = []
    for backend in ("numba", "eager"):
        x = torch.linspace(-1, 3, 60, dtype=torch.float64).view(5, 3, 4).requires_grad_()
        node = neuron.LIFNode(v_reset=None, step_mode="m", store_v_seq=True)
        node.backend = backend
        total = node(x).mean() + node.v_seq.square().mean() + node.v.sum()  # type: ignore[union-attr]
        orders = []
        for _ in range(3):
            (one,) = torch.autograd.grad(total, x, create_graph=True)
            orders.append(one)
            total = one.square().sum()
        found.append(torch.stack(orders))
    assert bool((found[1] != 0).flatten(1).any(1).all())
    torch.testing.assert_close(*found)


@pytest.mark.backend("numba")
def test_of_an_input_that_is_also_the_state() -> None:
    """The same tensor in two places has a gradient in each."""
    found = []
    for backend in ("numba", "eager"):
        x = torch.linspace(-1, 2, 12, dtype=torch.float64).view(3, 4).requires_grad_()
        node = neuron.IFNode(v_reset=None, step_mode="m")
        node.backend = backend
        node.v = x
        (one,) = torch.autograd.grad(
            node(x[None]).sum() + node.v.square().sum(), x, create_graph=True
        )
        found.append(torch.autograd.grad(one.square().sum(), x)[0])
    torch.testing.assert_close(*found)


@pytest.mark.backend("auto")
def test_save_memory_says_that_it_cannot() -> None:
    net = nn.Sequential(layer.Linear(4, 4), neuron.IFNode())
    functional.set_step_mode(net, "m")
    functional.save_memory(net)
    x = torch.ones(3, 2, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"save_memory keeps too little"):
        torch.autograd.grad(net(x).sum(), x, create_graph=True)
