"""Gradients of the whole dynamics: by finite differences, by hand, and by written-out recursion."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bitspike.neuron import IFNode, LIFNode, ParametricLIFNode
from bitspike.surrogate import ATan, Sigmoid, SurrogateFunctionBase

Array = np.ndarray[Any, Any]
Node = IFNode | LIFNode | ParametricLIFNode

T, B, N = 5, 2, 3
LEAKS: list[tuple[type[Node], dict[str, Any]]] = [
    (IFNode, {}),
    (LIFNode, {"tau": 1.6, "decay_input": True}),
    (LIFNode, {"tau": 1.6, "decay_input": False}),
    (ParametricLIFNode, {"init_tau": 1.6, "decay_input": True}),
    (ParametricLIFNode, {"init_tau": 1.6, "decay_input": False}),
]
every_leak = pytest.mark.parametrize(
    ("cls", "leak"), LEAKS, ids=[f"{c.__name__}-{leak.get('decay_input', '')}" for c, leak in LEAKS]
)
every_reset = pytest.mark.parametrize("v_reset", [None, 0.0, -0.3])


def inputs() -> tuple[Tensor, Tensor]:
    """Sequence and initial potential in float64, around the threshold."""
    generator = torch.Generator().manual_seed(3)
    x = 0.8 + 0.9 * torch.randn(T, B, N, generator=generator, dtype=torch.float64)
    v = 0.4 * torch.randn(B, N, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), v.requires_grad_()


def start(node: Node, v: Tensor) -> None:
    node.reset()
    node.v = v


def parameters(node: Node) -> list[Tensor]:
    return [node.w] if isinstance(node, ParametricLIFNode) else []


@every_leak
@every_reset
def test_gradcheck(cls: type[Node], leak: dict[str, Any], v_reset: float | None) -> None:
    node = cls(
        **leak, v_reset=v_reset, surrogate_function=ATan(spiking=False), step_mode="m"
    ).double()

    def outputs(x: Tensor, v: Tensor, *_: Tensor) -> tuple[Tensor, Any]:
        start(node, v)
        return node(x), node.v

    assert torch.autograd.gradcheck(outputs, (*inputs(), *parameters(node)))


def reference(
    node: Node,
    surrogate: SurrogateFunctionBase,
    x: Array,
    v: Array,
    g_s: Array,
    g_v: Array,
) -> Iterator[Array]:
    """Forward and backward, written out: gradients of ``sum(g_s * S) + sum(g_v * V[T])``.

    Yields spikes, and the gradients of input, initial potential and w.
    """
    tau = node.tau if isinstance(node, LIFNode | ParametricLIFNode) else 1.0
    r = 0.0 if node.v_reset is None else node.v_reset
    spikes, charged, before = [], [], []

    def smooth(function: Callable[..., Tensor], u: Array) -> Array:
        return np.asarray(function(torch.from_numpy(u), *surrogate.parameters_of_shape()))

    for current in x:
        before.append(v)
        if isinstance(node, IFNode):
            h = v + current
        elif node.decay_input:
            h = v + (current - (v - r)) / tau
        else:
            h = v - (v - r) / tau + current
        u = h - node.v_threshold
        s = np.where(u >= 0, 1.0, 0.0) if surrogate.spiking else smooth(surrogate.primitive, u)
        v = h - s * node.v_threshold if node.v_reset is None else (1 - s) * h + s * r
        spikes.append(s)
        charged.append(h)
    g_x, g_w = np.zeros_like(x), 0.0
    for t in reversed(range(len(x))):
        h, s, v = charged[t], spikes[t], before[t]
        ds_dh = smooth(surrogate.derivative, h - node.v_threshold)
        dv_dh = np.ones_like(h) if node.v_reset is None else 1 - s
        if not node.detach_reset:
            dv_dh += ds_dh * (-node.v_threshold if node.v_reset is None else r - h)
        g_h = g_s[t] * ds_dh + g_v * dv_dh
        if isinstance(node, IFNode):
            g_x[t], g_v = g_h, g_h
            continue
        leak = (x[t] if node.decay_input else 0) - (v - r)
        g_x[t] = g_h / tau if node.decay_input else g_h
        g_v = g_h * (1 - 1 / tau)
        g_w += (g_h * leak).sum() * (1 / tau) * (1 - 1 / tau)  # 1 / tau = sigmoid(w)
    yield from (np.stack(spikes), g_x, g_v, np.asarray(g_w))


@every_leak
@every_reset
@pytest.mark.parametrize("surrogate", [ATan(), Sigmoid(), ATan(spiking=False)], ids=repr)
@pytest.mark.parametrize("detach_reset", [False, True])
@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_backward_is_the_recursion(
    cls: type[Node],
    leak: dict[str, Any],
    v_reset: float | None,
    surrogate: SurrogateFunctionBase,
    detach_reset: bool,
    step_mode: str,
) -> None:
    node = cls(
        **leak,
        v_threshold=0.9,
        v_reset=v_reset,
        surrogate_function=surrogate,
        detach_reset=detach_reset,
        step_mode=step_mode,
    ).double()
    x, v = inputs()
    g_s = torch.linspace(-1, 2, T * B * N).double().view(T, B, N)
    g_v = torch.linspace(2, -1, B * N).double().view(B, N)
    start(node, v)
    s = node(x) if step_mode == "m" else torch.stack([node(one) for one in x])
    loss = (g_s * s).sum() + (g_v * node.v).sum()
    gradients = torch.autograd.grad(loss, (x, v, *parameters(node)))
    arrays = (tensor.detach().numpy() for tensor in (x, v, g_s, g_v))
    expected = [torch.from_numpy(array) for array in reference(node, surrogate, *arrays)]
    torch.testing.assert_close(s.detach(), expected[0], rtol=1e-12, atol=1e-12)
    for actual, wanted in zip(gradients, expected[1:], strict=False):
        torch.testing.assert_close(actual, wanted, rtol=1e-10, atol=1e-12)
    if surrogate.spiking:
        assert 0 < s.mean() < 1, "the example spikes, and not always"


@pytest.mark.parametrize(
    ("v_reset", "detach_reset", "second_input", "gradient"),
    [
        # Both steps land on the threshold, where ATan's derivative is 1. dL/dX[1] is dV[1]/dH[1]:
        (None, True, 1.0, 1.0),  # V = H - S, S held
        (None, False, 1.0, 0.0),  # 1 - 1
        (0.0, True, 1.0, 0.0),  # 1 - S
        (0.0, False, 1.0, -1.0),  # 1 - S + (0 - H) * 1
        (-1.0, True, 2.0, 0.0),
        (-1.0, False, 2.0, -2.0),  # 1 - S + (-1 - H) * 1
    ],
)
def test_detach_reset_by_hand(
    v_reset: float | None, detach_reset: bool, second_input: float, gradient: float
) -> None:
    node = IFNode(v_reset=v_reset, surrogate_function=ATan(), detach_reset=detach_reset)
    first = torch.tensor([1.0 - (v_reset or 0.0)], requires_grad=True)
    second = torch.tensor([second_input], requires_grad=True)
    assert node(first).item() == 1
    spike = node(second)
    assert spike.item() == 1
    assert [g.item() for g in torch.autograd.grad(spike, (first, second))] == [gradient, 1.0]


def test_parametric_gradient_by_hand() -> None:
    # One step from rest: H = sigmoid(w) X = 1, dS/dw = ATan'(0) * X * sigmoid'(0) = 1 * 2 * 0.25
    node = ParametricLIFNode(surrogate_function=ATan())
    (grad,) = torch.autograd.grad(node(torch.tensor([2.0])), node.w)
    assert grad.item() == 0.5


def test_every_option_of_the_grid_is_another_function() -> None:
    """The grid above tests nothing twice: each combination has gradients of its own."""
    seen = []
    for (cls, leak), v_reset, detach in product(LEAKS[:3], (None, 0.0, -0.3), (False, True)):
        node = cls(**leak, v_reset=v_reset, detach_reset=detach, step_mode="m")
        x, v = inputs()
        start(node, v)
        seen.append(torch.autograd.grad(node(x).sum(), x)[0])
    for i, one in enumerate(seen):
        assert not any(torch.equal(one, other) for other in seen[:i])
