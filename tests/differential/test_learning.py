"""Learners and online training against SpikingJelly's, on the same network of each library."""

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bitspike
from bitspike import functional, learning, neuron, spikes

T, B = 6, 3
LEARNERS = ("STDPLearner", "MSTDPLearner", "MSTDPETLearner")
STEPS = (
    "stdp_linear_step",
    "stdp_conv1d_step",
    "stdp_conv2d_step",
    "mstdp_linear_step",
    "mstdpet_linear_step",
    "mstdpet_reward_step",
)
ONLINE = ("ottt_online_training", "fptt_online_training", "fptt_online_training_init_w_ra")
TAUS = {"tau_pre": 2.5, "tau_post": 4}


@pytest.fixture(scope="module")
def theirs(peer: SimpleNamespace) -> Any:
    return peer.learning


def f_pre(w: Tensor) -> Tensor:
    return w.clamp(-1, 1)


def f_post(w: Tensor) -> Tensor:
    return 1 - w * w.mean()  # no elementwise function: how the weight is handed over matters


def parameters(function: Callable[..., Any]) -> list[Any]:
    """Names and defaults; a function for a default is its value at one point."""
    found = []
    for name, p in inspect.signature(function).parameters.items():
        default = p.default(1.25) if inspect.isfunction(p.default) else p.default
        found.append((name, p.kind, default))
    return found


@pytest.mark.parametrize("name", [*LEARNERS, *STEPS, *ONLINE])
def test_signatures(peer: Any, theirs: Any, name: str) -> None:
    places = {
        **dict.fromkeys(LEARNERS, (learning, theirs)),
        **dict.fromkeys(STEPS, (functional, peer.functional)),
        **dict.fromkeys(ONLINE, (learning.online_learning, theirs.online_learning)),
    }
    ours, other = (getattr(place, name) for place in places[name])
    assert parameters(ours) == parameters(other)
    if name in LEARNERS:
        assert parameters(ours.step) == parameters(other.step)
        own = {a for a in vars(other) if not a.startswith("_")}
        assert own <= set(dir(ours))


def bits(*shape: int) -> Tensor:
    return (torch.rand(*shape) < 0.4).float()


SYNAPSES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(5, 4), (5,)),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), (2, 8)),
    "conv2d": (lambda: nn.Conv2d(2, 3, (3, 2), stride=(1, 2), padding=(1, 0)), (2, 6, 7)),
    "conv2d padded by reflection": (
        lambda: nn.Conv2d(2, 3, 3, padding=2, padding_mode="reflect"),
        (2, 5, 5),
    ),
}


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("name", SYNAPSES)
def test_stdp(theirs: Any, name: str, step_mode: str) -> None:
    """Two updates, so that traces go from one into the next, of one and of several records."""
    make, shape = SYNAPSES[name]
    synapse, sn = make(), neuron.IFNode(v_threshold=0.25)
    net = nn.Sequential(synapse, sn)
    learners = [
        library.STDPLearner(step_mode, synapse, sn, **TAUS, f_pre=f_pre, f_post=f_post)
        for library in (learning, theirs)
    ]
    for records in (1, 2):
        for _ in range(records):
            x_seq = bits(T, B, *shape)
            if step_mode == "s":
                for x in x_seq:
                    net(x)
            else:
                spikes_out = torch.stack([sn(synapse(x)) for x in x_seq])
                for learner in learners:
                    for watch in (learner.in_spike_monitor, learner.out_spike_monitor):
                        watch.clear_recorded_data()
                assert spikes_out.any()
                for learner in learners:
                    learner.in_spike_monitor.records.append(x_seq)
                    learner.out_spike_monitor.records.append(spikes_out)
                if records == 2:
                    break
        ours, other = (learner.step(on_grad=False, scale=0.5) for learner in learners)
        torch.testing.assert_close(ours, other, rtol=1e-5, atol=1e-5)
        assert ours.abs().max() > 0.1
        for trace in ("trace_pre", "trace_post"):
            torch.testing.assert_close(*(getattr(learner, trace) for learner in learners))
    assert learners[0].step(on_grad=False) is learners[1].step(on_grad=False) is None


@pytest.mark.parametrize("bitwise", [False, True])
def test_stdp_multi_step_network(theirs: Any, peer: Any, bitwise: bool) -> None:
    """The learner on a multi-step network; exact, since all is a multiple of a power of two."""
    x_seq = bits(T, B, 5)
    weight = (torch.randn(4, 5) * 4).round() / 8
    gradients: list[Any] = []
    for library, make in ((bitspike, learning), (peer, theirs)):
        net: Any = nn.Sequential(
            library.layer.Linear(5, 4, bias=False, step_mode="m"),
            library.neuron.IFNode(step_mode="m"),
        )
        with torch.no_grad():
            net[0].weight.copy_(weight)
        learner = make.STDPLearner("m", net[0], net[1], 2.0, 2.0)
        net[0].weight.grad = torch.ones_like(weight)
        net(spikes.pack(x_seq) if bitwise and library is bitspike else x_seq)
        assert learner.step() is None
        gradients.append(net[0].weight.grad)
    assert torch.equal(*gradients)
    assert (gradients[0] != 1).any()


@pytest.mark.parametrize("reward", [-0.75, "per sample"])
def test_mstdp(theirs: Any, reward: Any) -> None:
    synapse, sn = nn.Linear(5, 4), neuron.IFNode(v_threshold=0.25)
    learners = [
        library.MSTDPLearner("s", synapse, sn, **TAUS, f_pre=f_pre, f_post=f_post)
        for library in (learning, theirs)
    ]
    changed = False
    for x in bits(T, B, 5):
        sn(synapse(x))
        r = torch.randn(B) if reward == "per sample" else reward
        ours, other = (learner.step(r, on_grad=False, scale=2.0) for learner in learners)
        torch.testing.assert_close(ours, other)
        changed |= bool(ours.any())
    assert changed


def test_mstdpet(theirs: Any) -> None:
    synapse, sn = nn.Linear(5, 4), neuron.IFNode(v_threshold=0.25)
    learners = [
        library.MSTDPETLearner("s", synapse, sn, **TAUS, tau_trace=3.0, f_post=f_post)
        for library in (learning, theirs)
    ]
    gradients: list[Any] = []
    for x in bits(T, 5):
        sn(synapse(x))
        r = float(torch.randn(()))
        for learner in learners:
            synapse.weight.grad = None
            learner.step(r)
            gradients.append(synapse.weight.grad)
    for ours, other in zip(gradients[::2], gradients[1::2], strict=True):
        torch.testing.assert_close(ours, other)
    assert gradients[-1].any()


@pytest.mark.parametrize("name", STEPS)
def test_functional(peer: Any, name: str) -> None:
    mine, other = getattr(functional, name), getattr(peer.functional, name)
    if name == "mstdpet_reward_step":
        given: tuple[Any, ...] = (torch.tensor(0.5), torch.randn(4, 5), torch.randn(4, 5))
        torch.testing.assert_close(mine(*given, tau_trace=3), other(*given, tau_trace=3))
        return
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {
        "stdp_conv1d_step": ((B, 2, 8), (B, 3, 3), (3, 2, 3)),
        "stdp_conv2d_step": ((B, 2, 8, 5), (B, 3, 3, 3), (3, 2, 3, 3)),
        "mstdpet_linear_step": ((5,), (4,), (4, 5)),
    }
    pre, post, weight = shapes.get(name, ((B, 5), (B, 4), (4, 5)))
    more: dict[str, dict[str, Any]] = {
        "stdp_conv1d_step": {"stride": (2,)},
        "stdp_conv2d_step": {"stride": (2, 1)},
    }
    options: dict[str, Any] = {**TAUS, "f_pre": f_pre, "f_post": f_post, **more.get(name, {})}
    trace = torch.rand(*pre), torch.rand(*post)
    arguments = bits(*pre), bits(*post), trace, torch.randn(*weight)
    torch.testing.assert_close(mine(*arguments, **options), other(*arguments, **options))


# -- online training --------------------------------------------------------------------------


def pair(peer: Any, build: Callable[[Any], nn.Module]) -> list[Any]:
    ours, other = build(bitspike), build(peer)
    other.load_state_dict(ours.state_dict())
    return [ours, other]


def two_layers(library: Any) -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 4), library.neuron.LIFNode(tau=2.0),
        nn.Linear(4, 2), library.neuron.IFNode(),
    )  # fmt: skip


def assert_same_weights(nets: list[Any], start: dict[str, Tensor]) -> None:
    ours, other = nets
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(weight, other.state_dict()[name])
    assert any(not torch.equal(w, start[name]) for name, w in ours.state_dict().items())


def test_fptt(peer: Any, theirs: Any) -> None:
    nets = pair(peer, two_layers)
    start = {name: w.clone() for name, w in nets[0].state_dict().items()}
    x_seq, target = 2 * torch.rand(T, B, 5), torch.rand(T, B, 2)
    averages = []
    for net, library in zip(nets, (learning, theirs), strict=True):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        w_ra = library.online_learning.fptt_online_training_init_w_ra(optimizer)
        for _ in range(2):
            library.online_learning.fptt_online_training(
                net, optimizer, x_seq, target, F.mse_loss, 0.3, w_ra
            )
            for module in net:
                if hasattr(module, "reset"):
                    module.reset()
        averages.append(w_ra)
    assert_same_weights(nets, start)
    torch.testing.assert_close(*averages)


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("kind", ["OTTT", "SLTT", "plain"])
def test_ottt(peer: Any, theirs: Any, kind: str, online: bool) -> None:
    def build(library: Any) -> nn.Module:
        if kind == "plain":
            return two_layers(library)
        node = getattr(library.neuron, f"{kind}LIFNode")
        container = library.layer.OTTTSequential if kind == "OTTT" else nn.Sequential
        return container(nn.Linear(5, 4), node(), nn.Linear(4, 4), node(), nn.Linear(4, 2))

    nets = pair(peer, build)
    start = {name: w.clone() for name, w in nets[0].state_dict().items()}
    x_seq, target = 2 * torch.rand(B, T, 5), torch.rand(B, T, 2)
    results = []
    for net, library in zip(nets, (learning, theirs), strict=True):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        results.append(
            library.online_learning.ottt_online_training(
                net, optimizer, x_seq, target, F.mse_loss, online
            )
        )
    torch.testing.assert_close(*results)
    assert results[0][1].shape == (B, T, 2)
    assert_same_weights(nets, start)
