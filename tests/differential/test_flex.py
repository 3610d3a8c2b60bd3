"""`FlexSN` against SpikingJelly's, with the same core."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import neuron
from bitspike.surrogate import sigmoid

T, B, N = 6, 2, 3


def leaky(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    h = v + (x - v) / 2.0
    s = sigmoid(h - 1.0, 4.0)
    return s, h * (1.0 - s)


def adaptive(x: Tensor, v: Tensor, w: Tensor, a: Tensor) -> tuple[Tensor, ...]:
    h = a * v + x - w
    s = sigmoid(h - 1.0, 4.0)
    return s, h - s, w * 0.5 + s * 0.25


def two(x: Tensor, y: Tensor, v: Tensor) -> tuple[Tensor, ...]:
    v = 0.5 * v + x * y
    return v, v - x, v


def memoryless(x: Tensor, a: Tensor) -> Tensor:
    return a * x


CASES: dict[Callable[..., Any], tuple[int, int, int]] = {
    leaky: (1, 1, 0),
    adaptive: (1, 2, 1),
    two: (2, 1, 0),
    memoryless: (1, 0, 1),
}


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize("core", CASES, ids=lambda core: core.__name__)
def test_flex(peer: Any, core: Callable[..., Any], store: bool, step_mode: str) -> None:
    inputs, states, static = CASES[core]
    x = [torch.randn(T, B, N, dtype=torch.float64) + 0.8 for _ in range(inputs)]
    results = []
    for library in (neuron, peer.neuron):
        parameter = torch.nn.Parameter(torch.tensor([0.75], dtype=torch.float64))
        node = library.FlexSN(core, states, (parameter,) * static, step_mode, store)
        given = [one.clone().requires_grad_() for one in x]
        if step_mode == "m":
            y = node(*given)
            y = y if isinstance(y, tuple) else (y,)
        else:
            steps = [node(*now) for now in zip(*given, strict=True)]
            steps = [one if isinstance(one, tuple) else (one,) for one in steps]
            y = tuple(torch.stack(one) for one in zip(*steps, strict=True))
        loss = sum((one * torch.arange(one.numel()).view(one.shape)).sum() for one in y)
        gradients = torch.autograd.grad(loss, [*given, *node.parameters()])
        seqs = [] if node.state_seqs is None else node.state_seqs
        results.append([*y, *node.states, *gradients, *seqs])
        node.reset()
        assert node.states == (None,) * states
        assert len(node.static_inputs) == static
    assert len(results[0]) == len(results[1])
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)
