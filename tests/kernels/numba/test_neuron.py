"""The fused time loop against the eager reference: outputs and every gradient."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import kernels, neuron, surrogate
from bitspike.kernels import eager
from bitspike.kernels.numba import neuron as fast
from bitspike.spikes import SpikeTensor

Node = neuron.BaseNode

NODES: dict[str, Any] = {
    "if": (neuron.IFNode, {}),
    "lif": (neuron.LIFNode, {"tau": 2.0}),
    "lif whole input": (neuron.LIFNode, {"tau": 3.0, "decay_input": False}),
    "plif": (neuron.ParametricLIFNode, {"init_tau": 1.7}),
    "plif whole input": (neuron.ParametricLIFNode, {"decay_input": False}),
}
RESETS = {"hard": 0.0, "soft": None}


def run(scan: Any, node: Node, x: Tensor, v: Tensor, store: bool) -> tuple[list[Tensor], Any]:
    """Outputs, and gradients of x, v and the node's parameters, for a loss on all outputs."""
    x, v = x.clone().requires_grad_(), v.clone().requires_grad_()
    s, v_last, v_seq = scan(x, v, node.equations(), store)
    generator = torch.Generator().manual_seed(3)
    outputs = [s, v_last, *([v_seq] if store else [])]
    loss = sum(
        (out * torch.randn(out.shape, generator=generator, dtype=x.dtype)).sum() for out in outputs
    )
    gradients = torch.autograd.grad(loss, [x, v, *node.parameters()])
    return [out.dense() if isinstance(out, SpikeTensor) else out for out in outputs], gradients


def assert_parity(node: Node, x: Tensor, v: Tensor, store: bool = False) -> None:
    expected, expected_gradients = run(eager.scan, node, x, v, store)
    outputs, gradients = run(fast.scan, node, x, v, store)
    for got, want in zip(outputs, expected, strict=True):
        assert torch.equal(got, want)  # the arithmetic is the same, operation by operation
    scale = 1e-5 if x.dtype == torch.float32 else 1e-12
    for got, want in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(got, want, rtol=scale, atol=scale * float(want.abs().max()))


@pytest.mark.parametrize(("name", "reset"), list(product(NODES, RESETS)))
def test_every_neuron_and_reset(name: str, reset: str) -> None:
    cls, arguments = NODES[name]
    node = cls(v_reset=RESETS[reset], surrogate_function=surrogate.ATan(), **arguments)
    x, v = torch.randn(7, 3, 70) * 1.5, torch.randn(3, 70)
    assert_parity(node, x, v)
    assert_parity(node, x, v, store=True)


@pytest.mark.parametrize("name", sorted(surrogate.registry))
def test_every_surrogate(name: str) -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.registry[name]())
    assert_parity(node, torch.randn(9, 2, 10) * 2, torch.zeros(2, 10))


@pytest.mark.parametrize("reset", RESETS)
def test_detached_reset(reset: str) -> None:
    node = neuron.LIFNode(
        v_reset=RESETS[reset], detach_reset=True, surrogate_function=surrogate.ATan()
    )
    assert_parity(node, torch.randn(9, 2, 10) * 2, torch.randn(2, 10))


def test_other_parameters_need_no_other_kernel() -> None:
    node = neuron.LIFNode(
        tau=5.5, v_threshold=0.7, v_reset=-0.2, surrogate_function=surrogate.ATan(3.0)
    )
    assert_parity(node, torch.randn(20, 2, 33) * 2, torch.randn(2, 33))


def test_float64() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    x, v = torch.randn(6, 3, 130, dtype=torch.float64), torch.randn(3, 130, dtype=torch.float64)
    assert_parity(node, x * 2, v, store=True)


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 1, 1), (5, 1), (3, 2, 64), (3, 2, 65), (2, 3, 2, 5, 7), (10_000, 1, 1), (4, 2500)],
)
def test_extreme_shapes(shape: tuple[int, ...]) -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    assert_parity(node, torch.randn(shape) * 2, torch.zeros(shape[1:]), store=True)


LAYOUTS: dict[str, Any] = {
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "features first": lambda x: x.transpose(0, 2).contiguous().transpose(0, 2),
    "padded": lambda x: torch.cat([x, x], -1)[..., : x.shape[-1]],
    "every second": lambda x: torch.stack([x, x], 1)[:, 0],
    "expanded over time": lambda x: x[:1].expand_as(x),
    "expanded over batch": lambda x: x[:, :1].expand_as(x),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_and_gradients_that_are_not_contiguous(layout: str) -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    base, g = torch.randn(6, 4, 10) * 2, LAYOUTS[layout](torch.randn(6, 4, 10))
    results = []
    for scan in (eager.scan, fast.scan):
        x = base.clone().requires_grad_()
        s, _, _ = scan(LAYOUTS[layout](x), torch.zeros(4, 10), node.equations())
        results.append((s + 0, *torch.autograd.grad(s, x, g)))
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])


def test_threshold_is_met_exactly() -> None:
    node = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan())
    x = torch.tensor([2.0, 1.0, 1.5, 0.0, 4.0]).reshape(5, 1, 1)  # dyadic: no rounding anywhere
    s, v, v_seq = fast.scan(x, torch.zeros(1, 1), node.equations(), store_v_seq=True)
    assert (s + 0).flatten().tolist() == [1, 0, 1, 0, 1]
    assert v_seq is not None
    assert v_seq.flatten().tolist() == [0, 0.5, 0, 0, 0]
    assert v.item() == 0


def test_no_gradient_keeps_nothing() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    x = torch.randn(4, 2, 3)
    s, v, _ = fast.scan(x, torch.zeros(2, 3), node.equations())
    assert not s.requires_grad
    assert not v.requires_grad
    assert torch.equal(s + 0, eager.scan(x, torch.zeros(2, 3), node.equations())[0])


def test_only_the_last_potential_is_used() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    gradients = []
    for scan in (eager.scan, fast.scan):
        x = torch.linspace(-2, 2, 24).reshape(4, 2, 3).requires_grad_()
        _, v, _ = scan(x, torch.zeros(2, 3), node.equations())
        gradients.append(torch.autograd.grad(v.sum(), x)[0])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("x", "spike", "why"),
    [
        (torch.zeros(2, 3, 4, dtype=torch.float16), surrogate.ATan(), "float16"),
        (torch.zeros(2, 3, 4), surrogate.ATan(spiking=False), "spiking=False"),
        (torch.zeros(2, 3, 4), torch.relu, "no bitspike.surrogate"),
    ],
)
def test_what_it_cannot_run_raises_if_asked_for_and_else_runs_eagerly(
    x: Tensor, spike: Any, why: str
) -> None:
    node = neuron.IFNode(step_mode="m", surrogate_function=spike)
    node.backend = "numba"
    with pytest.raises(kernels.BackendError, match=f"'numba' was asked for.*{why}"):
        node(x)
    node.backend = "auto"
    node.reset()
    with kernels.use_backend("auto"):
        assert not isinstance(node(x), SpikeTensor)
