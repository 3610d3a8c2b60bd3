"""The parallel spiking neurons and GLIF against SpikingJelly's."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional, neuron

T, SHAPE = 6, (3, 4)
MASKED: dict[str, Any] = {"k": 2, "T": T}


def random(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + 0.5


def pair(peer: Any, kind: str, **options: Any) -> tuple[Any, Any]:
    """The same neuron twice, made with the same seed."""
    nodes = []
    for module in (neuron, peer.neuron):
        torch.manual_seed(1)
        nodes.append(getattr(module, kind)(**options))
    return nodes[0], nodes[1]


def gradients(node: Any, x: Tensor, mode: str) -> dict[str, Tensor]:
    """Spikes, and all gradients of a loss that weighs each of them differently."""
    x = x.clone().requires_grad_()
    spikes = node(x) if mode == "m" else torch.stack([node(one) for one in x])
    weight = torch.linspace(-1, 2, x.numel(), dtype=x.dtype).view(x.shape)
    wanted = {"x": x, **dict(node.named_parameters())}
    found = torch.autograd.grad((weight * spikes).sum(), list(wanted.values()), allow_unused=True)
    return {"spikes": spikes, **dict(zip(wanted, found, strict=True))}


def assert_same(ours: Any, theirs: Any, x: Tensor) -> None:
    mode = ours.step_mode  # theirs has none where there is no choice
    result, expected = gradients(ours, x, mode), gradients(theirs, x, mode)
    assert result.keys() == expected.keys()
    for name, value in result.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)
    assert 0.02 < result["spikes"].mean() < 0.98


@pytest.mark.parametrize(
    ("kind", "options", "mode"),
    [
        ("PSN", {"T": T}, "m"),
        ("MaskedPSN", {**MASKED, "step_mode": "m"}, "m"),
        ("MaskedPSN", {**MASKED, "lambda_init": 0.4, "step_mode": "m"}, "m"),
        ("MaskedPSN", {**MASKED, "lambda_init": 1.0, "step_mode": "m"}, "m"),
        ("MaskedPSN", {**MASKED, "lambda_init": 1.0}, "s"),
        ("MaskedPSN", {"k": 1, "T": T, "lambda_init": 1.0}, "s"),
        ("MaskedPSN", {"k": T + 2, "T": T, "lambda_init": 1.0}, "s"),
        *(
            ("SlidingPSN", {"k": k, "exp_init": exp_init, "step_mode": mode}, mode)
            for k in (1, 3, T + 2)
            for exp_init in (True, False)
            for mode in "sm"
        ),
    ],
)
def test_parallel_neurons(peer: Any, kind: str, options: dict[str, Any], mode: str) -> None:
    ours, theirs = pair(peer, kind, **options)
    assert ours.step_mode == mode
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=0)
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    assert_same(ours, theirs, random(T, *SHAPE) * 3)


def test_queues_hold_the_same_inputs(peer: Any) -> None:
    x = random(T, *SHAPE)
    for kind, options in (("SlidingPSN", {"k": 3}), ("MaskedPSN", {**MASKED, "lambda_init": 1.0})):
        ours, theirs = pair(peer, kind, **options)
        for one in x[:4]:
            assert torch.equal(ours(one), theirs(one))
        assert torch.equal(ours.queue.flatten(1), torch.stack(theirs.queue))
        assert [name for name, _ in ours.named_memories()] == [
            name for name, _ in theirs.named_memories()
        ]


def test_masks_and_weights(peer: Any) -> None:
    ours, theirs = pair(peer, "MaskedPSN", **MASKED)
    for value in (0.0, 0.3, 1.0):
        ours.lambda_ = theirs.lambda_ = value
        assert torch.equal(ours.masked_weight(), theirs.masked_weight())
    ours, theirs = pair(peer, "SlidingPSN", k=3, exp_init=False)
    for length in (1, 2, 3, 7):
        assert torch.equal(ours.gen_gemm_weight(length), theirs.gen_gemm_weight(length))


def test_step_functions(peer: Any) -> None:
    surrogate = peer.surrogate.ATan()
    x, weight, bias = random(T, *SHAPE), random(T, T), random(T, 1)
    ours: Any = (0, ())
    theirs: Any = (0, ())
    functions: Any = functional
    for one in x:
        s, *ours = functions.masked_psn_step(one, *ours, weight, bias, 3, surrogate)
        s2, *theirs = peer.functional.masked_psn_step(one, *theirs, weight, bias, 3, surrogate)
        assert torch.equal(s, s2)
        assert ours[0] == theirs[0]
        assert all(torch.equal(a, b) for a, b in zip(ours[1], theirs[1], strict=True))
    queue: Any = ()
    queue2: Any = ()
    for one in x:
        s, queue = functions.sliding_psn_step(one, queue, weight[0, :4], bias[0], surrogate)
        s2, queue2 = peer.functional.sliding_psn_step(
            one, queue2, weight[0, :4], bias[0], surrogate
        )
        assert torch.equal(s, s2)
        assert all(torch.equal(a, b) for a, b in zip(queue, queue2, strict=True))
    gates = [random(1, 4, 1, seed=seed).sigmoid() for seed in range(8)]
    state = (random(3, 4, 5), (random(3, 4, 5) > 0).float())
    for a, b in zip(
        functions.gated_lif_step(random(3, 4, 5), *state, *gates, surrogate),
        peer.functional.gated_lif_step(random(3, 4, 5), *state, *gates, surrogate),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("inplane", [None, 4])
@pytest.mark.parametrize(
    "start", [{}, {"init_linear_decay": 0.2, "init_v_subreset": 0.3, "init_tau": 0.6}]
)
def test_gated_lif(peer: Any, inplane: int | None, start: dict[str, float]) -> None:
    ours, theirs = pair(peer, "GatedLIFNode", T=T, inplane=inplane, **start)
    for name, parameter in theirs.named_parameters():
        if name not in ("alpha", "beta", "gamma"):  # these are random
            torch.testing.assert_close(dict(ours.named_parameters())[name], parameter)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    ours, theirs = ours.double(), theirs.double()
    x = random(T, 2, 4, 3, 3).double()
    assert_same(ours, theirs, x)
    for node in (ours, theirs):
        node.detach() if node is ours else setattr(theirs, "v", theirs.v.detach())
    assert_same(ours, theirs, x - 0.2)  # the potential goes on, the last spike does not
    torch.testing.assert_close(ours.v, theirs.v)
    torch.testing.assert_close(ours.u, theirs.u)
