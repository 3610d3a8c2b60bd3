"""Backward writes over what forward has saved only if nobody else can see it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bitspike import neuron, surrogate
from bitspike.kernels.numba import _reuse, scan
from bitspike.kernels.numba._memory import pool

T, B, N = 4, 8, 1100  # more than the pool's least size

Answers = list[bool]


class _Current(torch.autograd.Function):
    """Twice its input, in memory of the pool, as a layer of the engine gives it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return torch.mul(x, 2, out=pool.empty(tuple(x.shape), x.dtype))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return grad * 2


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What `is_alone` has said."""
    said: Answers = []

    def is_alone(x: Tensor) -> bool:
        said.append(_reuse.is_alone(x))
        return said[-1]

    monkeypatch.setattr(scan, "is_alone", is_alone)
    return said


def current(x: Tensor) -> Tensor:
    return _Current.apply(x)  # type: ignore[no-any-return, no-untyped-call]


def node(backend: str = "numba", tau: float = 2.0) -> neuron.LIFNode:
    made = neuron.LIFNode(tau, surrogate_function=surrogate.ATan(), step_mode="m")
    made.backend = backend
    return made


def root() -> Tensor:
    return torch.randn(T, B, N, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_memory_that_nobody_sees_is_used_again(answers: Answers) -> None:
    gradients = []
    for backend in ("numba", "eager"):
        x = root()
        node(backend)(current(x)).mean(0).square().sum().backward()
        gradients.append(x.grad)
    assert answers == [True]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    "hold",
    [lambda y: y, lambda y: y.detach(), lambda y: y[0], lambda y: y.detach().numpy(), torch.square],
    ids=["itself", "detached", "a view", "an array", "a graph"],
)
def test_memory_that_is_held_is_left_alone(answers: Answers, hold: Callable[[Any], Any]) -> None:
    y = current(root())
    held, before = hold(y), y.detach().clone()
    out = node()(y)
    del y
    out.mean(0).sum().backward()
    assert answers == [False]
    np.testing.assert_array_equal(np.asarray(hold(before)), torch.as_tensor(held).detach().numpy())


def test_the_last_of_two_neurons_may_use_it(answers: Answers) -> None:
    x = root()
    y = current(x)
    total = node()(y).mean(0).sum() + node(tau=3.0)(y).mean(0).sum()
    del y
    total.backward()
    assert answers == [False, True]
    whole, x.grad = x.grad, None
    for tau in (2.0, 3.0):
        node("eager", tau)(current(x)).mean(0).sum().backward()
    assert whole is not None
    assert x.grad is not None
    torch.testing.assert_close(whole, x.grad)


def test_a_graph_that_is_kept_gives_the_same_gradient_twice(answers: Answers) -> None:
    x = root()
    loss = node()(current(x)).mean(0).square().sum()
    loss.backward(retain_graph=True)
    first, x.grad = x.grad, None
    loss.backward()
    assert answers == [False, True]
    assert first is not None
    assert x.grad is not None
    assert torch.equal(first, x.grad)


def test_a_retained_gradient_of_the_input_is_right(answers: Answers) -> None:
    gradients = []
    for backend in ("numba", "eager"):
        y = current(root())
        y.retain_grad()
        node(backend)(y).mean(0).square().sum().backward()
        gradients.append(y.grad)
    assert answers == [False]
    torch.testing.assert_close(*gradients)


def test_memory_of_numpy_is_left_alone(answers: Answers) -> None:
    array = np.random.default_rng(0).normal(size=(T, B, N)).astype(np.float32)
    before = array.copy()
    node()(torch.from_numpy(array).requires_grad_().view(T, B, N)).mean(0).sum().backward()
    assert answers == [False]
    np.testing.assert_array_equal(array, before)
