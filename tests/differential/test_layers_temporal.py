"""The layers of spiking networks against SpikingJelly's: outputs, gradients, buffers, states."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, functional, layer, neuron

T, B, C = 4, 3, 4
SPACE: dict[int, tuple[int, ...]] = {1: (6,), 2: (5, 5), 3: (4, 4, 4)}


@dataclass(frozen=True)
class Case:
    """How to make a layer, and the shape of one sample of one time step."""

    sample: tuple[int, ...]
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    modes: str = "sm"


def inner(package: Any) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 6), package.neuron.LIFNode(v_threshold=0.2))


CASES: dict[str, Case] = {
    "Dropout": Case((6,), (0.3,)),
    "Dropout2d": Case((C, 5, 5)),
    "DropConnectLinear": Case((6,), (6, 5)),
    "NeuNorm": Case((C, 5, 5), (C, 5, 5)),
    "WSConv2d": Case((C, 5, 5), (C, 6, 3), {"padding": 1, "groups": 2}),
    "WSLinear": Case((6,), (6, 5)),
    "SynapseFilter": Case((6,), (7.0,)),
    "Delay": Case((6,), (2,)),
    "VotingLayer": Case((20,), (5,)),
    "MultiStepContainer": Case((6,), (inner,), modes="m"),
    "SeqToANNContainer": Case((6,), (lambda _: nn.Linear(6, 5), lambda _: nn.ReLU()), modes="m"),
    "TLastMultiStepContainer": Case((6,), (inner,), modes="m"),
    "TLastSeqToANNContainer": Case((6,), (lambda _: nn.Linear(6, 5),), modes="m"),
    "StepModeContainer": Case((6,), (True, "s", inner)),
    "ElementWiseRecurrentContainer": Case((6,), (inner, lambda _: torch.mul)),
    "LinearRecurrentContainer": Case((6,), (inner, 6, 6)),
    "TemporalWiseAttention": Case((C, 5, 5), (T, 2), modes="m"),
    "MultiDimensionalAttention": Case((C, 5, 5), (T, C, 2, 2), modes="m"),
    "SpikingSelfAttention": Case((C, 6), (C, 2), {"v_threshold": 0.4}, modes="m"),
    "QKAttention": Case((C, 6), (C, 2, "channel"), modes="m"),
    "TokenQKAttention": Case((C, 6), (C, 2), modes="m"),
    "ChannelQKAttention": Case((C, 6), (C, 2), {"v_reset": None}, modes="m"),
    "SpikeDrivenSelfAttention": Case((C, 3, 3), (C, 2), modes="m"),
    "SpikeCountToBinary": Case((6,), (3, True), modes="m"),
    "TemporalBinSum": Case((6,), (3, True), modes="m"),
    "PrintShapeModule": Case((6,)),
    "GradwithTrace": Case((6,), (lambda _: nn.Linear(6, 5),), modes="s"),
    "SpikeTraceOp": Case((6,), (lambda _: nn.Flatten(),), modes="s"),
    "OTTTSequential": Case((6,), (lambda _: nn.Linear(6, 5), lambda _: nn.ReLU()), modes="s"),
    **{
        f"{family}{dim}d": Case((C, *SPACE[dim]), arguments, modes=modes)
        for dim in SPACE
        for family, arguments, modes in (
            ("ThresholdDependentBatchNorm", (0.7, 1.2, C), "m"),
            ("TemporalEffectiveBatchNorm", (T, C), "m"),
            ("BatchNormThroughTime", (T, C), "sm"),
        )
    },
}
TAKE_PAIRS = ("GradwithTrace", "SpikeTraceOp")
OURS = SimpleNamespace(neuron=neuron, layer=layer, functional=functional)
cases = pytest.mark.parametrize(
    ("name", "step_mode"), [(name, mode) for name, case in CASES.items() for mode in case.modes]
)


def build(package: Any, name: str, step_mode: str) -> Any:
    case = CASES[name]
    made = [a(package) if callable(a) else a for a in case.arguments]
    module = getattr(package.layer, name)(*made, **case.keywords)
    if hasattr(module, "step_mode"):
        package.functional.set_step_mode(module, step_mode)
    return module


def run(package: Any, module: Any, name: str, x_seq: Tensor, step_mode: str) -> list[Tensor]:
    """Output, gradients and buffers."""
    package.functional.reset_net(module)
    x_seq = x_seq.detach().clone().requires_grad_()
    torch.manual_seed(3)
    if name in TAKE_PAIRS:
        y: Any = module([x_seq[0], 0.5 * x_seq[1].detach() + 0.1])
        outputs = list(y) if isinstance(y, list) else [y]
    elif step_mode == "m":
        last = name.startswith("TLast")
        y = module(x_seq.movedim(0, -1) if last else x_seq)
        outputs = [y.movedim(-1, 0) if last else y]
    else:
        outputs = [torch.stack([module(x) for x in x_seq])]
    y = torch.cat([output.flatten() for output in outputs])
    if not y.requires_grad:
        return outputs
    weight = torch.linspace(-1, 2, y.numel())
    wanted = [x_seq, *module.parameters()]
    gradients = torch.autograd.grad((weight * y).sum(), wanted, allow_unused=True)
    found = [torch.zeros(()) if g is None else g for g in gradients]
    return [*outputs, *found, *(buffer.clone() for buffer in module.buffers())]


def example(name: str) -> Tensor:
    x = torch.randn(T, B, *CASES[name].sample).abs()
    return x.round() if name == "SpikeCountToBinary" else x


@cases
@pytest.mark.parametrize("training", [True, False])
def test_layer(peer: Any, name: str, step_mode: str, training: bool) -> None:
    ours, theirs = build(OURS, name, step_mode), build(peer, name, step_mode)
    for parameter in ours.parameters():
        with torch.no_grad():
            parameter.add_(0.2 * torch.rand_like(parameter))
    theirs.load_state_dict(ours.state_dict(), strict=True)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    ours.train(training)
    theirs.train(training)
    x_seq = example(name)
    results = [
        run(package, module, name, x_seq, step_mode)
        for package, module in ((OURS, ours), (peer, theirs))
    ]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_every_name_of_the_peer_is_here_and_compared(peer: Any) -> None:
    ours = [name for name in layer.__all__ if isinstance(getattr(layer, name), type)]
    theirs = {
        name
        for name, value in vars(peer.layer).items()
        if isinstance(value, type) and value.__module__.startswith(peer.layer.__name__)
    }
    assert {name for name in theirs if not name.startswith("_")} <= set(ours)
    elsewhere = {name for name in ours if issubclass(getattr(layer, name), layer.Stepwise)}
    apart = {"ReplaceforGrad"}
    alone = {"FusedSequential", "LearnableDelay"}  # the peer has nothing of the kind
    assert set(ours) - elsewhere - apart - alone <= set(CASES)


@pytest.mark.parametrize("name", ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"])
@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_max_unpool(peer: Any, name: str, step_mode: str) -> None:
    dim = int(name[-2])
    lead = (T, B) if step_mode == "m" else (B,)
    pool = getattr(layer, f"MaxPool{dim}d")(2, return_indices=True, step_mode=step_mode)
    values, indices = pool(torch.rand(*lead, C, *[5] * dim))
    for size in (None, [5] * dim):
        if size is None and dim > 1:  # indices of size 5 do not fit into size 4
            continue
        results = [
            getattr(package, name)(2, step_mode=step_mode)(values, indices, size)
            for package in (layer, peer.layer)
        ]
        assert torch.equal(*results)


def test_replace_for_grad(peer: Any) -> None:
    x, y = torch.rand(3, requires_grad=True), torch.rand(3, requires_grad=True)
    results = []
    for package in (layer, peer.layer):
        out = package.ReplaceforGrad.apply(x, y)
        results.append([out, *torch.autograd.grad((out * out).sum(), [x, y])])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_learned_synapse_filter(peer: Any) -> None:
    results = []
    for package in (layer, peer.layer):
        module = package.SynapseFilter(9.0, learnable=True, step_mode="m")
        torch.manual_seed(0)
        y = module(torch.rand(T, B, 5))
        results.append([y, *torch.autograd.grad(y.sum(), list(module.parameters()))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_shared_neunorm(peer: Any) -> None:
    ours, theirs = (package.NeuNorm(C, 5, 5, 0.8, True, "m") for package in (layer, peer.layer))
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(T, B, C, 5, 5)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.x, theirs.x)


def test_temporal_attention_of_vectors(peer: Any) -> None:
    ours, theirs = (package.TemporalWiseAttention(T, 2, 2) for package in (layer, peer.layer))
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(T, B, 7)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.modes == "sm"])
def test_memories_are_as_many(peer: Any, name: str) -> None:
    ours, theirs = build(OURS, name, "s"), build(peer, name, "s")
    assert len(base.extract_memories(ours)) == len(peer.base.extract_memories(theirs))


def test_set_step_mode_reaches_as_far(peer: Any) -> None:
    """The peer's MultiStepContainer has no attribute step_mode at all."""
    modes = []
    for package in (OURS, peer):
        net = nn.Sequential(
            package.layer.Linear(6, 6),
            package.layer.StepModeContainer(True, "s", package.neuron.IFNode()),
            package.layer.MultiStepContainer(package.layer.Linear(6, 6)),
            package.layer.LinearRecurrentContainer(package.neuron.IFNode(), 6, 6),
            package.layer.ElementWiseRecurrentContainer(package.neuron.IFNode(), torch.add),
        )
        package.functional.set_step_mode(net, "m")
        modes.append(
            [
                m.step_mode
                for m in net.modules()
                if hasattr(m, "step_mode") and not isinstance(m, package.layer.MultiStepContainer)
            ]
        )
    assert modes[0] == modes[1]


def test_online_training_through_the_neuron(peer: Any) -> None:
    """OTTT with its neuron: gradients summed over the steps, each with backward of its own."""
    x_seq, results = torch.rand(T, B, 6), []
    weights: dict[str, Tensor] = {}
    for package in (OURS, peer):
        net = package.layer.OTTTSequential(
            nn.Linear(6, 8),
            package.neuron.OTTTLIFNode(v_threshold=0.3),
            nn.Unflatten(1, (2, 4)),
            nn.Flatten(),
            nn.Linear(8, 3),
            package.neuron.OTTTLIFNode(v_threshold=0.2),
        )
        weights = weights or net.state_dict()
        net.load_state_dict(weights)
        for x in x_seq:
            spike, trace = net(x)
            (spike * torch.linspace(-1, 2, 3)).sum().backward()
        results.append([spike, trace, *(p.grad for p in net.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
