"""The LIF layer alone, forward and backward."""

from collections.abc import Callable
from typing import Any

import torch

from benchmarks import _measure, _peer

CASES = [(4, 100_000), (16, 100_000), (100, 100_000), (4, 1_000_000), (16, 1_000_000)]


def step(library: str, T: int, N: int, backend: str | None = None) -> Callable[[], Any]:
    """One forward and backward through T steps of N neurons."""
    _, functional, _, neuron, surrogate = _peer.modules(library)
    lif = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan(), step_mode="m")
    if backend is not None:
        lif.backend = backend
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(T, 1, N, generator=generator) * 1.5).requires_grad_()
    g = torch.randn(T, 1, N, generator=generator)

    def run() -> tuple[Any, Any]:
        s = lif(x)
        (gradient,) = torch.autograd.grad(s, x, g)
        functional.reset_net(lif)
        return s, gradient

    return run


def same_answer() -> None:
    """Spikes equal, gradients equal up to rounding."""
    results = [step(library, 16, 1000)() for library in _peer.LIBRARIES]
    if not bool((results[0][0] == results[1][0]).all()):
        raise AssertionError("the spikes differ")
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-4, atol=1e-5)


def run() -> list[str]:
    """Measures all cases and returns the table."""
    same_answer()
    rows = []
    for T, N in CASES:
        times = _measure.milliseconds(
            {
                "bitspike": step("bitspike", T, N),
                "bitspike eager": step("bitspike", T, N, "eager"),
                "SpikingJelly": step("SpikingJelly", T, N),
            },
            rounds=3,
        )
        row: dict[str, Any] = {"T": T, "N": N}
        row |= {f"{name}, ms": value for name, value in times.items()}
        rows.append({**row, "ratio": times["SpikingJelly"] / times["bitspike"]})
    return [_measure.save("time_loop", "LIF alone, forward and backward", rows)]
