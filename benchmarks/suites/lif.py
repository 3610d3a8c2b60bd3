"""The LIF layer alone, forward and backward."""

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks._measure import Row, Settings, row_of, time_all
from benchmarks._results import save
from benchmarks.libraries import LIF, Bitspike, Network, build

STEPS = (4, 16, 100)
NEURONS = (100_000, 1_000_000)
COMPILED_STEPS = 16  # unrolling more takes torch.compile minutes
COMPILED = "bitspike eager, torch.compile"
NOTE = (
    f"torch.compile unrolls the loop; it was asked for T up to {COMPILED_STEPS} only, with its "
    "caches off. The time of its first call stands in the last column, in seconds."
)


def step(network: Network, x_seq: Tensor, g: Tensor) -> Callable[[], tuple[Tensor, Tensor]]:
    """Return the spikes of T steps of N neurons, and the gradient of the input."""
    if network.input_scale != 1:
        x_seq = x_seq * network.input_scale
    x_seq = x_seq.detach().requires_grad_()

    def run() -> tuple[Tensor, Tensor]:
        s_seq = network.spikes(x_seq)
        (gradient,) = torch.autograd.grad(s_seq, x_seq, g)
        return s_seq, gradient

    return run


def check_same_answer(networks: dict[str, Network], T: int = 16, N: int = 1000) -> None:
    """Check that all spikes are equal, and gradients where the surrogate is the same."""
    torch.manual_seed(0)
    x_seq, g = 1.5 * torch.randn(T, 1, N), torch.randn(T, 1, N)
    answers = {name: step(network, x_seq, g)() for name, network in networks.items()}
    spikes, gradient = answers["bitspike"]
    for name, (its_spikes, its_gradient) in answers.items():
        if not torch.equal(torch.as_tensor(spikes + 0), torch.as_tensor(its_spikes + 0)):
            raise AssertionError(f"LIF: the spikes of {name} differ")
        if name.startswith(("bitspike", "SpikingJelly")):
            torch.testing.assert_close(its_gradient, gradient, rtol=1e-4, atol=1e-5)


def compiled() -> Network:
    """Return the reference loop under torch.compile."""
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    torch._dynamo.reset()
    network = Bitspike([LIF], backend="eager")
    network.module.compile(dynamic=False)
    return network


def measure(T: int, N: int, settings: Settings) -> Row:
    """Return a row; only the steps are kept in memory, not their graphs."""
    generator = torch.Generator().manual_seed(0)
    x_seq = 1.5 * torch.randn(T, 1, N, generator=generator)
    g = torch.randn(T, 1, N, generator=generator)
    names = ("bitspike", "SpikingJelly", "snnTorch", "Norse", "sinabs")
    steps = {name: step(one, x_seq, g) for name, one in build([LIF], *names).items()}
    steps["bitspike eager"] = step(Bitspike([LIF], backend="eager"), x_seq, g)
    seconds = None
    if T <= COMPILED_STEPS:
        steps[COMPILED] = step(compiled(), x_seq, g)
        start = time.perf_counter()
        steps[COMPILED]()
        seconds = time.perf_counter() - start
    row = {"T": T, "N": N, **row_of(time_all(steps, settings))}
    return {**row, "first call of torch.compile, s": seconds}


def run(settings: Settings) -> None:
    """Measure all cases."""
    check_same_answer(build([LIF]))
    settings = replace(settings, rounds=min(3, settings.rounds))
    cases = itertools.product(settings.pick(STEPS, (4, 16)), settings.pick(NEURONS, (10_000,)))
    rows = [measure(T, N, settings) for T, N in cases]
    save(settings, "lif", "LIF alone, forward and backward", rows, NOTE)
