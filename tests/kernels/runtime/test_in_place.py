"""Backward writes over what forward has saved only if nobody else can see it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bitspike import neuron, surrogate
from bitspike.kernels.runtime import in_place
from bitspike.kernels.runtime.buffers import pool
from bitspike.kernels.scan import numba as scan

T, B, N = 4, 8, 1100  # more than the pool's least size

Made = list[Tensor]


class _Current(torch.autograd.Function):
    """Twice its input, in memory of the pool, as a layer of the engine gives it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return torch.mul(x, 2, out=pool.empty(tuple(x.shape), x.dtype))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad * 2


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Gradients that backward has made memory of their own for."""
    found: Made = []
    make = scan._empty_like

    def empty_like(x: Tensor) -> Tensor:
        found.append(make(x))
        return found[-1]

    monkeypatch.setattr(scan, "_empty_like", empty_like)
    return found


def current(x: Tensor) -> Tensor:
    return _Current.apply(x)  # type: ignore[no-any-return, no-untyped-call]


def node(backend: str = "numba", tau: float = 2.0) -> neuron.LIFNode:
    lif = neuron.LIFNode(tau, surrogate_function=surrogate.ATan(), step_mode="m")
    lif.backend = backend
    return lif


def root() -> Tensor:
    return torch.randn(T, B, N, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_memory_that_nobody_sees_is_used_again(made: Made) -> None:
    gradients = []
    for backend in ("numba", "eager"):
        x = root()
        node(backend)(current(x)).mean(0).square().sum().backward()
        gradients.append(x.grad)
    assert len(made) == 0
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    "hold",
    [lambda y: y, lambda y: y.detach(), lambda y: y[0], lambda y: y.detach().numpy(), torch.square],
    ids=["itself", "detached", "a view", "an array", "a graph"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_memory_that_is_held_is_left_alone(
    made: Made, hold: Callable[[Any], Any], turned: bool
) -> None:
    y = current(root())
    held, before = hold(y), y.detach().clone()
    out = node()(y.transpose(0, 1).transpose(0, 1) if turned else y)
    del y
    out.mean(0).sum().backward()
    assert len(made) == 1
    np.testing.assert_array_equal(np.asarray(hold(before)), torch.as_tensor(held).detach().numpy())


def test_a_view_of_memory_that_nobody_sees_is_used_again(made: Made) -> None:
    node()(current(root()).transpose(0, 1).transpose(0, 1)).mean(0).sum().backward()
    assert len(made) == 0


@pytest.mark.parametrize("alias", [lambda y: y, lambda y: y.detach(), lambda y: y[:]])
def test_memory_that_hooks_hold_is_left_alone(
    made: Made, alias: Callable[[Tensor], Tensor]
) -> None:
    held: list[Tensor] = []

    def keep(y: Tensor) -> Tensor:
        held.append(alias(y))
        return held[-1]

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda y: y):
        out = node()(current(root()))
    before = [y.detach().clone() for y in held]
    out.mean(0).sum().backward()
    assert all(map(torch.equal, held, before))


def test_the_count_is_not_taken_in_the_caller_s_context() -> None:
    """A first use under hooks that hold what is saved would count these for ever."""
    in_place._holders_of_saved.cache_clear()
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda y: y.detach(), lambda y: y)
    with hooks, torch.device("meta"), torch.no_grad():
        there = in_place._holders_of_saved(False)
    in_place._holders_of_saved.cache_clear()
    assert there == in_place._holders_of_saved(False)


def test_the_last_of_two_neurons_may_use_it(made: Made) -> None:
    x = root()
    y = current(x)
    total = node()(y).mean(0).sum() + node(tau=3.0)(y).mean(0).sum()
    del y
    total.backward()
    assert len(made) == 1
    whole, x.grad = x.grad, None
    for tau in (2.0, 3.0):
        node("eager", tau)(current(x)).mean(0).sum().backward()
    assert whole is not None
    assert x.grad is not None
    torch.testing.assert_close(whole, x.grad)


def test_a_graph_that_is_kept_gives_the_same_gradient_twice(made: Made) -> None:
    x = root()
    loss = node()(current(x)).mean(0).square().sum()
    loss.backward(retain_graph=True)
    first, x.grad = x.grad, None
    loss.backward()
    assert len(made) == 1
    assert first is not None
    assert x.grad is not None
    assert torch.equal(first, x.grad)


def test_a_retained_gradient_of_the_input_is_right(made: Made) -> None:
    gradients = []
    for backend in ("numba", "eager"):
        y = current(root())
        y.retain_grad()
        node(backend)(y).mean(0).square().sum().backward()
        gradients.append(y.grad)
    assert len(made) == 1
    torch.testing.assert_close(*gradients)


def test_memory_of_numpy_is_left_alone(made: Made) -> None:
    array = np.random.default_rng(0).normal(size=(T, B, N)).astype(np.float32)
    before = array.copy()
    node()(torch.from_numpy(array).requires_grad_().view(T, B, N)).mean(0).sum().backward()
    assert len(made) == 1
    np.testing.assert_array_equal(array, before)
