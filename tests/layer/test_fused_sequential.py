"""`layer.FusedSequential` is ``nn.Sequential`` to the bit, whatever stands in it."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike import base, diagnosis, encoding, functional, kernels, layer, neuron, surrogate
from bitspike.kernels.fused import numba as fused
from bitspike.spikes import SpikeTensor

pytestmark = pytest.mark.backend("auto")

Make = Callable[[], nn.Module]

NEURONS: dict[str, Make] = {
    "lif": lambda: neuron.LIFNode(surrogate_function=surrogate.ATan()),
    "lif, soft, whole input, detached": lambda: neuron.LIFNode(
        tau=3.0, decay_input=False, v_threshold=0.7, v_reset=None, detach_reset=True
    ),
    "lif, fires at rest": lambda: neuron.LIFNode(  # with the kernels of the first one
        v_threshold=-0.1, v_reset=-0.5, surrogate_function=surrogate.ATan()
    ),
    "qif, keeps several values": lambda: neuron.QIFNode(surrogate_function=surrogate.ATan()),
    "synaptic, two states": lambda: neuron.SynapticNode(),
}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """What is compared must not depend on it, but takes longer with two."""
    before = kernels.get_num_threads()
    kernels.set_num_threads(1)
    yield
    kernels.set_num_threads(before)


@pytest.fixture
def fusions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by one at each fused call."""
    calls: list[Any] = []
    original = fused.scan

    def scan(*args: Any) -> Any:
        found = original(*args)
        if found is not None:
            calls.append(found)
        return found

    monkeypatch.setattr(fused, "scan", scan)
    return calls


def pair(*modules: nn.Module) -> tuple[nn.Sequential, layer.FusedSequential]:
    """The same modules in both containers, in multi-step mode."""
    plain = nn.Sequential(*modules)
    functional.set_step_mode(plain, "m")
    return plain, layer.FusedSequential(*copy.deepcopy(plain))


def narrow(node: nn.Module, inputs: int = 30, outputs: int = 5) -> list[nn.Module]:
    """Flatten, a layer that makes its neurons fire, and these."""
    torch.manual_seed(1)
    linear = layer.Linear(inputs, outputs, bias=False)
    nn.init.uniform_(linear.weight, -0.3, 0.33)
    return [layer.Flatten(), linear, node]


def poisson(T: int, B: int, *features: int, seed: int = 0) -> Tensor:
    """Spikes of images with silent, certain and other pixels."""
    x = torch.rand(B, *features, generator=torch.Generator().manual_seed(seed))
    x = torch.where(x < 0.3, 0.0, torch.where(x > 0.95, 1.0, x))
    return encoding.PoissonSequences(T, seed)(x)


def outcome(net: nn.Sequential, s_seq: Tensor, twice: bool = False) -> list[Tensor]:
    """Output, states and the weight's gradient, of which spikes and states have a part each."""
    functional.reset_net(net)
    net.zero_grad()
    if twice:
        net(s_seq)
        functional.detach_net(net)
    y = net(s_seq)
    T, states = len(y), base.extract_memories(net[-1])
    steps = torch.arange(1.0, T + 1).view(T, 1, 1)
    loss = (y * steps).mean() + sum(((k + 1) * v.square()).sum() for k, v in enumerate(states))
    loss.backward()
    gradient = net.get_parameter("1.weight").grad
    assert gradient is not None
    return [dense(y).detach(), y.mean(0), y.sum(0), gradient, *states]


def dense(s: Tensor) -> Tensor:
    return s.dense() if isinstance(s, SpikeTensor) else s


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("twice", [False, True], ids=["from rest", "from a state"])
def test_every_kind_of_neuron(name: str, twice: bool, fusions: list[Any]) -> None:
    plain, net = pair(*narrow(NEURONS[name]()))
    s_seq = poisson(21, 6, 5, 6)
    wanted = outcome(plain, s_seq, twice)
    assert not fusions
    assert equal(outcome(net, s_seq, twice), wanted)
    assert len(fusions) == 1 + twice
    rate = float(wanted[0].mean())
    assert 0.02 < rate < 0.98, "silent or saturated neurons prove nothing"
    assert wanted[3].abs().sum() > 0


@settings(max_examples=80)
@given(
    T=st.sampled_from([1, 2, 3, 4, 5, 63, 64, 65, 130]),
    B=st.integers(1, 9),
    pixels=st.integers(1, 40),
    outputs=st.sampled_from([1, 2, 10, 16, 17, 32, 33, 48, 64, 65, 130]),
    seed=st.integers(0, 3),
)
def test_any_size(T: int, B: int, pixels: int, outputs: int, seed: int) -> None:
    plain, net = pair(*narrow(NEURONS["lif"](), pixels, outputs))
    s_seq = poisson(T, B, pixels, seed=seed)
    assert equal(outcome(net, s_seq), outcome(plain, s_seq))


@pytest.mark.parametrize("outputs", [10, 30, 200])
def test_two_threads_give_the_same(outputs: int, fusions: list[Any]) -> None:
    _, net = pair(*narrow(NEURONS["lif"](), 64, outputs))
    s_seq = poisson(40, 37, 8, 8)
    found = []
    for threads in (1, 2):
        kernels.set_num_threads(threads)
        found += [outcome(net, s_seq) for _ in range(3)]
    assert all(equal(found[0], other) for other in found[1:])
    assert fusions


def test_nothing_is_kept_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    _, net = pair(*narrow(NEURONS["lif"](), 64, 10))
    kept: list[bool] = []
    forward = fused._Fused.forward

    def watched(ctx: Any, recorded: Any, saving: bool, *args: Any) -> Any:
        kept.append(saving)
        return forward(ctx, recorded, saving, *args)

    monkeypatch.setattr(fused._Fused, "forward", watched)
    s_seq = poisson(9, 4, 8, 8)
    with torch.no_grad():
        net(s_seq)
    functional.reset_net(net)
    net.requires_grad_(False)(s_seq)
    functional.reset_net(net)
    net.requires_grad_(True)(s_seq)
    assert kept == [False, False, True]


def test_without_gradients_and_without_flatten(fusions: list[Any]) -> None:
    plain, net = pair(*narrow(NEURONS["lif"]())[1:])
    s_seq = poisson(9, 4, 30)
    with torch.no_grad():
        assert torch.equal(dense(net(s_seq)), dense(plain(s_seq)))
    assert not net[-1].v.requires_grad
    assert len(fusions) == 1


def test_a_part_of_a_longer_chain(fusions: list[Any]) -> None:
    tail: list[nn.Module] = [layer.Linear(5, 3), neuron.IFNode()]
    plain, net = pair(*narrow(NEURONS["lif"]()), *tail)
    s_seq = poisson(11, 4, 5, 6)
    assert torch.equal(dense(net(s_seq)), dense(plain(s_seq)))
    assert len(fusions) == 1


class _Halved(layer.Linear):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) / 2


def ignore(*_: Any) -> None:
    """A hook, and a change of nothing."""


def as_it_is(s: Tensor) -> Tensor:
    return s


def put(net: nn.Sequential, place: int, module: nn.Module) -> None:
    functional.set_step_mode(module, "m")
    net[place] = module


UNFUSED: dict[str, tuple[Callable[[nn.Sequential], Any], Callable[[Tensor], Tensor]]] = {
    "dense input": (ignore, dense),
    "single steps": (lambda net: functional.set_step_mode(net, "s"), lambda s: s[0]),
    "eager neurons": (lambda net: setattr(net[2], "backend", "eager"), as_it_is),
    "eager layer": (lambda net: setattr(net[1], "backend", "eager"), as_it_is),
    "potentials kept": (lambda net: setattr(net[2], "store_v_seq", True), as_it_is),
    "a bias": (lambda net: put(net, 1, layer.Linear(30, 5)), as_it_is),
    "the user's layer": (lambda net: put(net, 1, _Halved(30, 5, bias=False)), as_it_is),
    "a learned time constant": (lambda net: put(net, 2, neuron.ParametricLIFNode()), as_it_is),
    "a hook before": (lambda net: net[1].register_forward_pre_hook(ignore), as_it_is),
    "a hook that wants the current": (lambda net: net[2].register_forward_hook(ignore), as_it_is),
    "a hook of gradients": (lambda net: net[2].register_full_backward_hook(ignore), as_it_is),
    "nothing behind it": (lambda net: net.__delitem__(2), as_it_is),
}


@pytest.mark.parametrize("name", UNFUSED)
def test_everything_else_runs_module_by_module(name: str, fusions: list[Any]) -> None:
    change, enter = UNFUSED[name]
    plain, net = pair(*narrow(NEURONS["lif"]()))
    torch.manual_seed(2)
    change(plain)
    torch.manual_seed(2)
    change(net)
    x = enter(poisson(7, 4, 5, 6))
    y, wanted = net(x), plain(x)
    assert torch.equal(dense(y), dense(wanted))
    for one, other in zip(net.parameters(), plain.parameters(), strict=True):
        gradients = [
            torch.autograd.grad(out.sum(), p, retain_graph=True, allow_unused=True)[0]
            for out, p in ((y, one), (wanted, other))
        ]
        assert gradients[0] is None or torch.equal(gradients[0], gradients[1])
    assert not fusions


@pytest.mark.parametrize("context", ["backend", "autocast", "a state with history"])
def test_what_the_kernel_cannot_is_done_apart(context: str, fusions: list[Any]) -> None:
    plain, net = pair(*narrow(NEURONS["lif"]()))
    s_seq = poisson(7, 4, 5, 6)

    def run(one: nn.Sequential) -> Tensor:
        if context == "backend":
            with kernels.use_backend("eager"):
                return torch.as_tensor(one(s_seq))
        if context == "autocast":
            with torch.autocast("cpu", torch.bfloat16):
                return torch.as_tensor(one(s_seq))
        one[-1].v = torch.full((4, 5), 0.2, requires_grad=True)
        return torch.as_tensor(one(s_seq))

    assert torch.equal(dense(run(net)), dense(run(plain)))
    assert not fusions


def test_a_forgotten_reset_is_noticed(fusions: list[Any]) -> None:
    _, net = pair(*narrow(NEURONS["lif"]()))
    s_seq = poisson(7, 4, 5, 6)
    net(s_seq).mean(0).sum().backward()
    with pytest.raises(base.StateError, match="reset_net"):
        net(s_seq)
    functional.reset_net(net)
    with pytest.raises(base.StateError, match="shape"):
        net(s_seq[:, :2] if net(s_seq) is not None else s_seq)
    assert fusions


def test_a_batch_of_another_width_is_refused_with_its_shapes() -> None:
    _, net = pair(*narrow(NEURONS["lif"]()))
    with pytest.raises(ValueError, match=r"\(7, 4, 31\).*\(5, 30\)"):
        net(poisson(7, 4, 31))


def test_hooks_that_see_the_output_only(fusions: list[Any]) -> None:
    _, net = pair(*narrow(NEURONS["lif"]()))
    seen = []

    def look(module: nn.Module, args: Any, y: Tensor) -> Tensor:
        seen.append(y.shape)
        return dense(y) * 2

    look.output_only = True  # type: ignore[attr-defined]
    net[2].register_forward_hook(look)
    y = net(poisson(7, 4, 5, 6))
    assert seen == [(7, 4, 5)]
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert len(fusions) == 1


def test_the_watch_of_silent_layers_does_not_cost_the_kernel(fusions: list[Any]) -> None:
    _, net = pair(*narrow(NEURONS["lif"]()))
    with torch.no_grad():
        net.get_parameter("1.weight").fill_(-1.0)
    told: list[str] = []
    with diagnosis.watch(net, patience=2, tell=told.append):
        for _ in range(3):
            net(poisson(7, 4, 5, 6))
            functional.reset_net(net)
    assert len(told) == 1
    assert len(fusions) == 3


def test_copies_and_pickles() -> None:
    plain, net = pair(*narrow(NEURONS["lif"]()))
    s_seq = poisson(7, 4, 5, 6)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):  # noqa: S301
        assert isinstance(other, layer.FusedSequential)
        assert equal(outcome(other, s_seq), outcome(plain, s_seq))
    assert list(net.state_dict()) == list(plain.state_dict())


def test_counts_are_those_of_the_words() -> None:
    _, net = pair(*narrow(NEURONS["lif"]()))
    y = net(poisson(130, 4, 5, 6))
    assert isinstance(y, SpikeTensor)
    total = y.sum(0)
    assert torch.equal(total, dense(y).sum(0))
    with torch.no_grad():
        total.zero_()
    assert torch.equal(y.mean(0), dense(y).mean(0)), "no sum shares its memory"


def test_two_backwards_through_one_graph() -> None:
    _, net = pair(*narrow(NEURONS["lif"]()))
    weight = net.get_parameter("1.weight")
    y = net(poisson(7, 4, 5, 6)).mean(0).sum()
    first = torch.autograd.grad(y, weight, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(y, weight)[0], first)


def test_other_functions_see_the_modules_in_it() -> None:
    plain, net = pair(*narrow(NEURONS["lif"]()), layer.Linear(5, 3), neuron.IFNode())
    s_seq = poisson(7, 4, 5, 6)
    wanted = plain(s_seq)
    functional.reset_net(plain)
    functional.save_memory(net)
    y = net(s_seq)
    assert torch.equal(dense(y), dense(wanted))
    y.sum().backward()
    assert net.get_parameter("1.weight").grad is not None
    functional.save_memory(net, enabled=False)
    assert type(net) is layer.FusedSequential

    functional.reset_net(net)
    forward = base.to_functional_forward(net)
    outputs = forward((s_seq,), tuple(base.memories(net)))
    assert torch.equal(dense(outputs[0][0]), dense(wanted))

    with pytest.raises(ValueError, match="'m'"):
        layer.MultiStepContainer(net)

    fused_norm = functional.fuse_conv_bn(
        layer.FusedSequential(layer.Conv2d(1, 2, 3), layer.BatchNorm2d(2)).eval()
    )
    assert isinstance(fused_norm.get_submodule("1"), nn.Identity)
