"""The kernels on a GPU, where there is one."""

from typing import Any

import pytest
import torch
from tests.kernels.scan.test_numba import NODES, SOFT_ONLY, make, run
from torch import nn

from bitspike import functional, kernels, layer, neuron, surrogate
from bitspike.kernels.scan import reference

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def fused(step: Any, x: torch.Tensor, states: Any, store: bool) -> Any:
    return kernels.scan(step, x, states, store, "triton")


@pytest.mark.parametrize("name", [*NODES, *SOFT_ONLY])
def test_parity_with_the_reference_on_the_cpu(name: str) -> None:
    node = make(name, "soft", surrogate.ATan()).double()  # no spike hangs on the last bit
    x, v = torch.randn(8, 3, 700).double(), torch.randn(3, 700).double()
    states = [v, *(0.3 * torch.randn_like(v) for _ in node.state_names[1:])]
    expected = run(reference.scan, node, x, states, True)
    node = node.cuda()
    found = run(fused, node, x.cuda(), [v.cuda() for v in states], True)
    for got, want in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True):
        torch.testing.assert_close(got.cpu(), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tau", [2.0, 3.0])
def test_spikes_equal_those_of_the_cpu_to_the_bit(tau: float) -> None:
    node = neuron.LIFNode(tau=tau, surrogate_function=surrogate.ATan())
    x, v = torch.randn(16, 100_003) * 2, torch.zeros(100_003)
    s, (last,), _ = reference.scan(node.step, x, [v])
    y, (end,), _ = fused(node.step, x.cuda(), [v.cuda()], False)
    assert torch.equal(y.cpu(), s)
    assert torch.equal(end.cpu(), last)


@pytest.mark.backend("auto")
def test_auto_takes_it() -> None:
    net = nn.Sequential(layer.Linear(5, 40), neuron.LIFNode(), layer.Linear(40, 3)).cuda()
    functional.set_step_mode(net, "m")
    x = torch.rand(4, 6, 5, device="cuda")
    net(x).sum().backward()
    assert net[0].weight.grad is not None
    found = functional.neuron_implementation("lif", "cuda")
    assert found == {"implementation": "triton", "unavailable": {}}


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_another_device_than_the_current_one() -> None:
    node = neuron.LIFNode()
    x = torch.rand(4, 50, device="cuda:1")
    s, _, _ = fused(node.step, x, [torch.zeros(50, device="cuda:1")], False)
    assert torch.equal(s, reference.scan(node.step, x, [torch.zeros(50, device="cuda:1")])[0])
