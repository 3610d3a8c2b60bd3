"""DSR, MPBN, OTTT and SLTT neurons against SpikingJelly's."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import neuron, surrogate

T, B, C = 6, 8, 3


def dyadic(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(-8, 33, shape, generator=generator) / 8


def weights(x: Tensor) -> Tensor:
    return torch.linspace(-1, 2, x.numel(), dtype=x.dtype).view(x.shape)


def same(ours: list[Tensor], theirs: list[Tensor], tolerance: float = 1e-6) -> None:
    for value, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance)


# -- DSR ------------------------------------------------------------------------------------------

DSR: list[tuple[str, dict[str, Any]]] = [
    ("DSRIFNode", {}),
    ("DSRIFNode", {"v_threshold": 0.75, "alpha": 1.0}),
    ("DSRIFNode", {"v_threshold": 0.75, "v_threshold_grad_scaling": 3.0}),
    ("DSRIFNode", {"v_threshold": 0.75, "v_threshold_training": False}),
    ("DSRLIFNode", {}),
    ("DSRLIFNode", {"v_threshold": 0.1, "tau": 0.5, "delta_t": 0.25}),
    ("DSRLIFNode", {"v_threshold": 0.1, "delta_t": 0.25, "alpha": 0.6}),
    ("DSRLIFNode", {"v_threshold": 0.2, "delta_t": 0.5, "v_threshold_training": False}),
]


@pytest.mark.parametrize("below_bound", [False, True])
@pytest.mark.parametrize(("kind", "options"), DSR)
def test_dsr(peer: Any, kind: str, options: dict[str, Any], below_bound: bool) -> None:
    ours = getattr(neuron, kind)(T=T, **options)
    theirs = getattr(peer.neuron, kind)(T=T, **options)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    if below_bound:  # as an optimizer may leave it
        for node in (ours, theirs):
            node.v_threshold.data.fill_(-1.0)
    results = []
    for node in (ours, theirs):
        x = (dyadic(T, B, C) / 2).requires_grad_()
        y = node(x)
        results.append([y, *torch.autograd.grad((weights(x) * y).sum(), [x, *node.parameters()])])
    same(results[0], results[1], tolerance=2e-6)
    assert any(part.abs().max() > 0 for part in results[0])


def test_dsr_rate(peer: Any) -> None:
    x = torch.randn(T, B, C, 2)
    ours = neuron.DSRLIFNode.weight_rate_spikes(x, 2.0, 0.05)
    theirs = peer.neuron.DSRLIFNode.weight_rate_spikes(x, 2.0, 0.05)
    torch.testing.assert_close(ours, theirs)


# -- MPBN -----------------------------------------------------------------------------------------


def mpbn_pair(peer: Any, **options: Any) -> tuple[Any, Any]:
    ours: Any = neuron.MPBNLIFNode(**options, surrogate_function=surrogate.ATan())
    theirs = peer.neuron.MPBNLIFNode(**options, surrogate_function=peer.surrogate.ATan())
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(torch.rand(parameter.shape, generator=generator) / 4)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours.double(), theirs.double()


def mpbn_run(node: Any, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    s = node(x) if node.step_mode == "m" else torch.stack([node(one) for one in x])
    loss = (weights(x) * s).sum() + (weights(x) * node.v_seq).mean()
    wanted = [x, *node.parameters()]
    found = torch.autograd.grad(loss, wanted, allow_unused=True, retain_graph=True)
    grads = [torch.zeros(()) if g is None else g for g in found]
    v, v_seq = node.v.detach(), node.v_seq.detach()
    node.reset()
    assert s.unique().numel() == 2
    return [s, v, v_seq, *grads, *node.state_dict().values()]


MPBN: list[dict[str, Any]] = [
    {},
    {"tau": 3.0, "decay_input": True},
    {"v_reset": None, "v_threshold": 0.5},
    {"v_reset": -0.25, "detach_reset": True},
    {"learnable_vth": True},
    {"mpbn": False},
    {"mpbn": False, "learnable_vth": True},
]


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("options", MPBN)
def test_mpbn(peer: Any, options: dict[str, Any], mode: str, image: bool) -> None:
    size: dict[str, Any] = {"out_channels": C} if image else {"out_features": C}
    ours, theirs = mpbn_pair(peer, **options, **size, step_mode=mode, store_v_seq=True)
    x = torch.randn(T, B, C, *([2, 2] if image else [])).double() + 0.5
    same(mpbn_run(ours, x), mpbn_run(theirs, x), 1e-10)
    for node in (ours, theirs):
        node.eval()
    same(mpbn_run(ours, x), mpbn_run(theirs, x), 1e-10)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize(
    ("options", "image"),
    [
        ({}, True),
        ({}, False),
        ({"v_reset": None}, True),
        ({"learnable_vth": True}, True),
        ({"learnable_vth": True, "v_reset": None}, False),
    ],
)
def test_mpbn_after_reparametrisation(
    peer: Any, options: dict[str, Any], image: bool, running: bool, residual: bool
) -> None:
    size: dict[str, Any] = {"out_channels": C} if image else {"out_features": C}
    ours, theirs = mpbn_pair(peer, **options, **size, step_mode="m", store_v_seq=True)
    x = torch.randn(T, B, C, *([2, 2] if image else [])).double() + 0.5
    for node in (ours, theirs):
        node(x)
        node.reset()
        node.re_parameterize_v_threshold(residual, running)
        node.eval()
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    same(mpbn_run(ours, x), mpbn_run(theirs, x), 1e-10)
    for node in (ours, theirs):
        node.train()
    same(mpbn_run(ours, x), mpbn_run(theirs, x), 1e-10)
    assert ours.bn_momentum == theirs.bn_momentum
    assert isinstance(ours.vbn, nn.Identity)


# -- online ---------------------------------------------------------------------------------------

ONLINE: list[dict[str, Any]] = [
    {},
    {"tau": 4.0, "decay_input": True, "v_reset": 0.0},
    {"tau": 4.0, "decay_input": False, "v_reset": None, "v_threshold": 0.5},
    {"detach_reset": False, "v_reset": -0.5},
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", ONLINE)
@pytest.mark.parametrize("kind", ["OTTTLIFNode", "SLTTLIFNode"])
def test_online(peer: Any, kind: str, options: dict[str, Any], training: bool) -> None:
    ours = getattr(neuron, kind)(**options, surrogate_function=surrogate.ATan())
    theirs = getattr(peer.neuron, kind)(**options, surrogate_function=peer.surrogate.ATan())
    results: list[list[Tensor]] = []
    for node in (ours, theirs):
        node.train(training)
        x = dyadic(T, B, C).requires_grad_()
        outputs = [node(one) for one in x]
        if kind == "OTTTLIFNode" and training:
            assert all(type(output) is list and len(output) == 2 for output in outputs)
            s, trace = (torch.stack(part) for part in zip(*outputs, strict=True))
            assert not trace.requires_grad
            assert torch.equal(node.trace, trace[-1])
        else:
            s, trace = torch.stack(outputs), torch.zeros(())
        loss = (weights(x) * s).sum() + node.v.sum()
        results.append([s, trace, node.v, *torch.autograd.grad(loss, x)])
    same(results[0], results[1])
    assert 0.02 < results[0][0].mean() < 0.98
    assert [name for name, _ in ours.named_memories()] == [n for n, _ in theirs.named_memories()]
