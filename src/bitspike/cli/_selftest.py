"""Whether the compiled kernels compute what the eager reference computes."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bitspike import functional, kernels, layer, neuron

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Check:
    """One comparison: its name, whether it holds, and what was found."""

    name: str
    holds: bool
    found: str


def compare() -> list[Check]:
    """Runs a small network on both backends; the first time on a machine kernels are compiled.

    A kernel that raises is a check that does not hold.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = layer.Linear(96, 10)
        net = nn.Sequential(neuron.LIFNode(), linear, neuron.LIFNode())
        functional.set_step_mode(net, "m")
        nn.init.uniform_(linear.weight, -0.3, 0.5)  # so that both layers fire, and not always
        x = 3 * torch.rand(16, 8, 96)
    began = time.perf_counter()
    try:
        spikes, grad = _run(net, x, "numba")
    except Exception as error:  # whatever a broken compiler raises
        return [Check("kernels run", False, f"{type(error).__name__}: {error}".split("\n")[0])]
    took = time.perf_counter() - began
    expected, expected_grad = _run(net, x, "eager")
    differing = int((spikes != expected).sum())
    apart = float((grad - expected_grad).abs().max() / expected_grad.abs().max())
    return [
        Check("kernels run", True, f"{took:.2f} s, compilation included"),
        Check(
            "spikes",
            differing == 0 and 0 < float(expected.mean()) < 1,
            f"{differing} of {spikes.numel()} differ, {float(expected.mean()):.0%} are 1",
        ),
        Check("gradients", apart <= TOLERANCE, f"{apart:.1e} apart, {TOLERANCE:.0e} allowed"),
    ]


def _run(net: nn.Sequential, x: Tensor, backend: str) -> tuple[Tensor, Tensor]:
    """Output spikes, and the gradient of their rates with respect to the input."""
    x = x.clone().requires_grad_()
    functional.set_backend(net, backend)
    with kernels.use_backend(backend):
        spikes = net(x)
        (spikes.mean(0) - 0.5).square().sum().backward()
    functional.reset_net(net)
    assert x.grad is not None  # noqa: S101
    return torch.as_tensor(spikes.detach()).clone(), x.grad
