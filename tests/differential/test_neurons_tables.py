"""Few-spike, ST-BIF and activation-aware neurons against SpikingJelly's."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional, neuron, surrogate

TABLES = [
    ([4.0, 2.0, 1.0, 0.5], [4, 2, 1, 0.5], [4.0, 2.0, 1.0, 0.5]),
    ([1.0, 0.5, 0.25, 0.0], [1.0, 0.75, 0.5, 0.125], [0.5, -0.25, 0.125, 2.0]),
    ([8.0, 4.0, 2.0, 1.0], [8.0, 4.0, 2.0, 1.0], [8.0, 3.0, 2.0, 1.0]),
]


def dyadic(*shape: int, seed: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-24, 40, shape, generator=generator) / 8


def outcome(node: Any, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    y = node(x)
    weight = torch.linspace(-1, 2, y.numel()).view(y.shape)
    return [y, *torch.autograd.grad((weight * y).sum(), x)]


def few_spike(module: Any, surrogates: Any, kind: str, mode: str) -> Any:
    tables = [module.FewSpikeTable(*table) for table in TABLES]
    rest: dict[str, Any] = {"surrogate_function": surrogates.ATan(), "step_mode": mode}
    if kind == "FewSpikeNode":
        return module.FewSpikeNode(tables[0], **rest)
    if kind == "HGNode":
        return module.HGNode(tables, [0.0, 1.5], **rest)
    clamp = 3.0 if kind.endswith("clamped") else None
    return module.OutlierAwareThresholdNode(tables[1], tables[2], 1.0, clamp, **rest)


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("kind", ["FewSpikeNode", "HGNode", "Outlier", "Outlier clamped"])
def test_few_spike_neurons(peer: Any, kind: str, mode: str) -> None:
    ours = few_spike(neuron, surrogate, kind, mode)
    theirs = few_spike(peer.neuron, peer.surrogate, kind, mode)
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    assert ours.K == theirs.K == 4
    x = dyadic(4, 5, 6)
    for value, expected in zip(outcome(ours, x), outcome(theirs, x), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
        assert len(set(value.flatten().tolist())) > 3


STBIF: list[dict[str, Any]] = [
    {"q_threshold": 0.5, "level": 8},
    {"q_threshold": 0.5, "level": 8, "sym": True},
    {"q_threshold": torch.tensor(0.25), "level": 5, "sym": True},
    {"q_threshold": 1, "level": 16, "pos_max": 3, "neg_min": torch.tensor(-2)},
]


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("options", STBIF)
def test_stbif(peer: Any, options: dict[str, Any], mode: str) -> None:
    ours = neuron.STBIFNode(**options, step_mode=mode)
    theirs = peer.neuron.STBIFNode(**options, step_mode=mode)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    for x in (dyadic(9, 4, 5), dyadic(9, 4, 5, seed=6) - 1):  # the state goes on
        if mode == "m":
            y, y2 = ours(x), theirs(x)
        else:
            y, y2 = (torch.stack([node(one) for one in x]) for node in (ours, theirs))
        assert torch.equal(y, y2)
        for (name, value), (name2, value2) in zip(
            ours.named_memories(), theirs.named_memories(), strict=True
        ):
            assert name == name2
            assert torch.equal(value, value2)
        assert torch.equal(ours.accumulated, theirs.accumulated)
    assert y.unique().numel() > 1
    peer.functional.reset_net(theirs)
    ours.reset()
    assert ours.q is theirs.q is None


def test_stbif_from_a_quantiser(peer: Any) -> None:
    quantiser: Any = SimpleNamespace(
        s=torch.tensor(0.3), sym=True, pos_max=torch.tensor(7.0), neg_min=torch.tensor(-8.0)
    )
    ours = neuron.STBIFNode.from_quantizer(quantiser)
    theirs = peer.neuron.STBIFNode.from_quantizer(quantiser)
    assert (ours.level, ours.sym) == (theirs.level, theirs.sym) == (16, True)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


def test_stbif_functions(peer: Any) -> None:
    numbers = (torch.tensor(0.5), torch.tensor(3.0), torch.tensor(-2.0))
    states = (torch.full((4, 5), 0.5), torch.zeros(4, 5))
    for name, x in (("stbif_step", dyadic(4, 5)), ("stbif_multi_step", dyadic(7, 4, 5))):
        ours = getattr(functional, name)(x, *states, *numbers)
        theirs = getattr(peer.functional, name)(x, *states, *numbers)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


CHANNELS = {"v_threshold": torch.tensor([0.5, 1.0, 2.0]), "v_offset": torch.tensor([0.0, 0.5, 1.0])}
AWARE: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({}, (2, 5)),
    ({"v_threshold": 1.5, "v_offset": 0.25}, (2, 5)),
    ({**CHANNELS}, (4, 3)),
    ({**CHANNELS, "channel_dim": 1}, (2, 3, 4, 4)),
    ({**CHANNELS, "channel_dim": -3, "v_offset": 0.5}, (2, 3, 4, 4)),
]


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize(("v_reset", "detach"), [(None, False), (None, True), (-0.5, False)])
@pytest.mark.parametrize(("options", "shape"), AWARE)
def test_activation_aware(
    peer: Any,
    options: dict[str, Any],
    shape: tuple[int, ...],
    v_reset: float | None,
    detach: bool,
    mode: str,
) -> None:
    rest: dict[str, Any] = {
        "v_reset": v_reset,
        "detach_reset": detach,
        "step_mode": mode,
        "store_v_seq": True,
    }
    ours: Any = neuron.ActivationAwareIFNode(**options, **rest, surrogate_function=surrogate.ATan())
    theirs = peer.neuron.ActivationAwareIFNode(
        **options, **rest, surrogate_function=peer.surrogate.ATan()
    )
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = dyadic(6, *shape) / 2
    results: list[list[Tensor]] = []
    for node in (ours, theirs):
        one = x.clone().requires_grad_()
        s = node(one) if mode == "m" else torch.stack([node(step) for step in one])
        weight = torch.linspace(-1, 2, x.numel()).view(x.shape)
        v_seq = node.v_seq if mode == "m" else node.v  # theirs records in multi-step mode only
        loss = (weight * s).sum() + (v_seq * v_seq).mean()
        results.append([s, node.v, v_seq, *torch.autograd.grad(loss, one)])
    for value, expected in zip(*results, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
    assert 0.02 < results[0][0].mean() < 0.98
    with torch.no_grad():  # where theirs takes another way
        for node in (ours, theirs):
            node.reset()
        if mode == "m":
            assert torch.equal(ours(x), theirs(x))
            torch.testing.assert_close(ours.v_seq, theirs.v_seq, rtol=0, atol=0)


@pytest.mark.parametrize("v_reset", [None, 0.25])
@pytest.mark.parametrize("store", [False, True])
def test_activation_aware_functions(peer: Any, v_reset: float | None, store: bool) -> None:
    x, v = dyadic(6, 2, 3, 4), torch.zeros(2, 3, 4)
    for threshold, offset in (
        (CHANNELS["v_threshold"], CHANNELS["v_offset"]),
        (torch.tensor(1.0), CHANNELS["v_offset"]),
        (torch.tensor(1.0), torch.tensor(0.5)),
    ):
        arguments = (x, v, threshold, offset, 3, 4, v_reset, store)
        ours = functional.activation_aware_if_multi_step(*arguments)
        theirs = peer.functional.activation_aware_if_multi_step(*arguments)
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])
        assert (ours[2] is None) == (theirs[2] is None) == (not store)
        if store:
            assert torch.equal(ours[2], theirs[2])  # type: ignore[arg-type]
    one = (x[0], v, torch.tensor(1.0), torch.tensor(0.5), v_reset)
    for a, b in zip(
        functional.activation_aware_if_step(*one, surrogate.ATan()),
        peer.functional.activation_aware_if_step(*one, peer.surrogate.ATan()),
        strict=True,
    ):
        assert torch.equal(a, b)
