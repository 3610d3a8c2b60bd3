"""Noisy, intra-layer, non-spiking and simple neurons against SpikingJelly's."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bitspike import neuron, surrogate

T, B, ACT, POP = 5, 4, 2, 3
N = ACT * POP


def dyadic(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(-8, 33, shape, generator=generator) / 8


def outcome(node: Any, x: Tensor) -> list[Tensor]:
    """Outputs, last potentials and all gradients."""
    x = x.clone().requires_grad_()
    y = node(x * 1.0)  # theirs writes into its input
    y = torch.stack(y) if isinstance(y, list) else y
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
    wanted = [x, *node.parameters()]
    found = torch.autograd.grad((weight * y).sum(), wanted, allow_unused=True)
    return [y, node.v, *(torch.zeros(()) if g is None else g for g in found)]


def same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for value, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)


def pair(peer: Any, kind: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    ours, theirs = (getattr(m, kind)(*args, **options) for m in (neuron, peer.neuron))
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


# -- noise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("size", "fmin"),
    [  # at fmin = 0.5 and odd lengths theirs divides by zero: no frequency is as high
        *((size, fmin) for size in (2, 16, (3, 10)) for fmin in (0, 0.2, 0.5)),
        *((size, fmin) for size in (3, 17, [2, 4, 9]) for fmin in (0, 0.2)),
    ],
)
def test_coloured_noise(peer: Any, exponent: float, size: Any, fmin: float) -> None:
    for seed in (7, np.random.RandomState):
        states = (seed, seed) if isinstance(seed, int) else (seed(3), seed(3))
        ours, theirs = (
            module.powerlaw_psd_gaussian(exponent, size, fmin, state)
            for module, state in zip((neuron, peer.neuron), states, strict=True)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def give_noise(ours: Any, theirs: Any, n: int) -> None:
    """The same noise to both; theirs does not listen to torch's seed."""
    ours.reset_noise(n)
    theirs.reset_noise(n)
    for name in ("eps_v_seq", "eps_s_seq", "eps_seq"):
        if hasattr(theirs, name):
            assert getattr(theirs, name).shape == getattr(ours, name).shape
            setattr(theirs, name, getattr(ours, name))


NOISY: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("NoisyCUBALIFNode", (N,), {}),
    ("NoisyCUBALIFNode", (N,), {"c_decay": 0.25, "v_decay": 0.5, "beta": 1.0, "v_reset": -0.5}),
    ("NoisyILCCUBALIFNode", (ACT, POP), {}),
    ("NoisyILCCUBALIFNode", (ACT, POP), {"v_threshold": 0.5, "sigma_init": 2.0}),
    ("NoisyNonSpikingIFNode", (N,), {}),
    *(
        ("NoisyNonSpikingIFNode", (N,), {"decode": decode})
        for decode in ("max-mem", "max-abs-mem", "mean-mem", "last-me")
    ),
]


@pytest.mark.parametrize(("kind", "args", "options"), NOISY)
def test_noisy_neurons(
    peer: Any, kind: str, args: tuple[int, ...], options: dict[str, Any]
) -> None:
    ours, theirs = pair(peer, kind, *args, T=T, **options)
    give_noise(ours, theirs, 2)
    x = dyadic(T, B, N)
    for _ in range(2):
        same(outcome(ours, x), outcome(theirs, x))
        assert torch.equal(ours.get_colored_noise(), theirs.get_colored_noise())
        assert ours.noise_step == theirs.noise_step
    noise = torch.randn(B, T, ours.get_colored_noise().shape[1])
    for node in (ours, theirs):
        node.load_colored_noise(noise)
    same(outcome(ours, x), outcome(theirs, x))
    for node in (ours, theirs):
        node.cancel_load()
        node.is_training = False
    same(outcome(ours, x), outcome(theirs, x))


# -- intra-layer connections ----------------------------------------------------------------------


@pytest.mark.parametrize("v_reset", [0.0, -0.5])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ILCIFNode", {}),
        ("ILCLIFNode", {}),
        ("ILCLIFNode", {"v_decay": 0.5, "v_threshold": 0.5}),
        ("ILCCUBALIFNode", {}),
        ("ILCCUBALIFNode", {"c_decay": 0.25, "v_decay": 0.5, "v_threshold": 1.0}),
    ],
)
def test_intra_layer(peer: Any, kind: str, options: dict[str, Any], v_reset: float) -> None:
    ours, theirs = pair(peer, kind, ACT, POP, v_reset=v_reset, **options)
    x = dyadic(T, B, N)
    kept = x.clone()
    result = outcome(ours, x)
    same(result, outcome(theirs, x))
    assert 0.02 < result[0].mean() < 0.98
    with torch.no_grad():
        ours(x)
    assert torch.equal(x, kept), "ours leaves its input alone"


# -- non-spiking ----------------------------------------------------------------------------------


@pytest.mark.parametrize("decode", [None, "max-mem", "max-abs-mem", "mean-mem", "last_mem"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("NonSpikingIFNode", {}), ("NonSpikingLIFNode", {}), ("NonSpikingLIFNode", {"tau": 5.0})],
)
def test_non_spiking(peer: Any, kind: str, options: dict[str, Any], decode: str | None) -> None:
    ours, theirs = pair(peer, kind, decode=decode, **options)
    for _ in range(2):  # each call starts anew
        same(outcome(ours, dyadic(T, B, N)), outcome(theirs, dyadic(T, B, N)))


# -- simple ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(
    ("leak", "v_reset"),
    [  # a leaky neuron with v_reset=None fails there: it computes with None
        *((None, v_reset) for v_reset in (0.0, -0.5, None)),
        *(
            (leak, v_reset)
            for leak in ((2.0, True), (2.0, False), (4.0, True))
            for v_reset in (0.0, -0.5)
        ),
    ],
)
def test_simple(
    peer: Any, leak: tuple[float, bool] | None, v_reset: float | None, detach: bool, mode: str
) -> None:
    kind = "SimpleLIFNode" if leak else "SimpleIFNode"
    results = []
    for module, functions in ((neuron, surrogate), (peer.neuron, peer.surrogate)):
        node = getattr(module, kind)(
            *(leak or ()),
            v_reset=v_reset,
            detach_reset=detach,
            step_mode=mode,
            surrogate_function=functions.ATan(),
        )
        x = dyadic(T, B, N).requires_grad_()
        s = node(x) if mode == "m" else torch.stack([node(one) for one in x])
        weight = torch.linspace(-1, 2, x.numel()).view(x.shape)
        results.append([s, node.v, *torch.autograd.grad((weight * s).sum() + node.v.sum(), x)])
    same(*results)
    assert 0.02 < results[0][0].mean() < 0.98
