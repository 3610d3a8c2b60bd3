"""Neurons that users derive from the bases with methods, in each library on the same data."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, functional, monitor, neuron

T, B, ACT, POP = 5, 2, 2, 3
N = ACT * POP


def derived(library: Any, base: str, *args: Any, **options: Any) -> Any:
    """A neuron of a user's own on ``library``'s class ``base``."""

    class Own(getattr(library, base)):  # type: ignore[misc]
        v: Tensor

        def neuronal_charge(self, x: Tensor) -> None:
            self.v = 0.75 * self.v + 0.5 * x

    return Own(*args, **options)


CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "SimpleBaseNode": ((), {"step_mode": "m", "v_reset": None, "detach_reset": True}),
    "NonSpikingBaseNode": ((), {"decode": "max-abs-mem"}),
    "ILCBaseNode": ((ACT, POP), {"v_reset": -0.25}),
    "NoisyBaseNode": ((N,), {"T": T}),
    "NoisyILCBaseNode": ((ACT, POP), {"T": T, "sigma_init": 1.5}),
    "NoisyNonSpikingBaseNode": ((N,), {"T": T, "decode": "mean-mem"}),
}


@pytest.mark.parametrize("base", CASES)
def test_derived_neurons(peer: Any, base: str) -> None:
    args, options = CASES[base]
    ours, theirs = (derived(m, base, *args, **options) for m in (neuron, peer.neuron))
    theirs.load_state_dict(ours.state_dict(), strict=True)
    if hasattr(ours, "load_colored_noise"):
        kinds = 1 if "NonSpiking" in base else 2
        noise = torch.randn(B, T, kinds * N)
        ours.load_colored_noise(noise)
        theirs.load_colored_noise(noise)
    x = 1.5 * torch.randn(T, B, N)
    results = []
    for node in (ours, theirs):
        given = x.clone().requires_grad_()
        y = node(given * 1.0)  # theirs writes into its input
        wanted = [given, *node.parameters()]
        results.append([y, node.v, *torch.autograd.grad((y * y).sum() + node.v.sum(), wanted)])
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    assert results[0][0].std() > 0.1


@pytest.mark.parametrize("learned", [False, True])
def test_normalisation_moves_into_the_threshold(peer: Any, learned: bool) -> None:
    found = []
    for library in (neuron, peer.neuron):
        node = library.MPBNBaseNode(v_threshold=0.75, out_features=N, learnable_vth=learned)
        with torch.no_grad():
            for k, value in enumerate((*node.parameters(), *node.vbn.buffers())):
                value.copy_(torch.arange(value.numel()).view(value.shape) / 4 + k)
        node.re_parameterize_v_threshold(normalize_residual=True, running_stats=True)
        found.append(node)
    ours, theirs = found
    for name in ("mu", "sigma2", "gamma", "beta"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name))
    assert torch.equal(torch.as_tensor(ours.v_threshold), torch.as_tensor(theirs.v_threshold))
    for name in ("fold_bn", "eps", "normalize_residual", "running_stats", "bn_momentum"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert isinstance(ours.vbn, nn.Identity)


def test_memories_are_taken_out_and_put_back(peer: Any) -> None:
    x = torch.randn(B, N)
    seen = []
    for library, neurons in ((base, neuron), (peer.base, peer.neuron)):
        net = nn.Sequential(neurons.IFNode(v_threshold=0.5), neurons.LIFNode(v_reset=None))
        first = net(x)
        kept = list(library.memories(net))
        net(x)
        library.load_memories(net, kept)
        seen.append([first, *kept, *library.memories(net), net(x)])
        with pytest.raises(ValueError, match=r"2 memories"):
            library.load_memories(net, kept[:1])
    for got, want in zip(*seen, strict=True):
        torch.testing.assert_close(got, want)


def test_base_monitor(peer: Any) -> None:
    net = nn.Sequential(nn.Identity(), nn.Sequential(nn.Identity(), nn.ReLU()))
    results = []
    for library in (monitor, peer.monitor):

        class Sums(library.BaseMonitor):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                for name, module in net.named_modules():
                    if isinstance(module, nn.Identity):
                        self.monitored_layers.append(name)
                        self.name_records_index[name] = []
                        self.hooks.append(module.register_forward_hook(self.hook(name)))

            def hook(self, name: str) -> Any:
                def record(_: Any, __: Any, y: Tensor) -> None:
                    if self.is_enable():
                        self.name_records_index[name].append(len(self.records))
                        self.records.append(y.sum().item())

                return record

        with Sums() as sums:
            net(torch.ones(2))
            sums.disable()
            net(torch.ones(3))
            sums.enable()
            net(torch.ones(4))
            results.append([list(sums.records), sums["0"], sums["1.0"], sums[1]])
            results[-1].append(list(sums.monitored_layers))
            sums.clear_recorded_data()
            results[-1].append(list(sums.records))
        net(torch.ones(2))
        assert not sums.records
        assert not sums.hooks
    assert results[0] == results[1] == [[2, 2, 4, 4], [2, 4], [2, 4], 2, ["0", "1.0"], []]


def test_neuron_implementation(peer: Any) -> None:
    """The same keys and errors; ours answers with its own backends."""
    cpu = torch.device("cpu")
    ours, theirs = (f.neuron_implementation("stbif", cpu) for f in (functional, peer.functional))
    assert ours.keys() == theirs.keys()
    for f in (functional, peer.functional):
        with pytest.raises(ValueError, match="execution must be"):
            f.neuron_implementation("if", cpu, execution="x")
        with pytest.raises(ValueError, match="neuron"):
            f.neuron_implementation("x", cpu)


@pytest.mark.parametrize("detach", [False, True])
def test_fixed_point_neuron(peer: Any, detach: bool) -> None:
    values = [torch.randn(3, B, N) for _ in range(4)]
    results = []
    for f in (functional, peer.functional):
        x, c, v = (value.clone().requires_grad_() for value in values[0])
        decays = [torch.tensor(one, requires_grad=True) for one in (700.4, 1300.6)]
        s, current, voltage = f.lava_cuba_lif_step(
            x, c, v, *decays, 64, 0.75, 0.01, -0.25, peer.surrogate.ATan(), detach
        )
        loss = (s * values[1][0] + current * values[2][0] + voltage * values[3][0]).sum()
        results.append([s, current, voltage, *torch.autograd.grad(loss, [x, c, v, *decays])])
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    assert 0 < results[0][0].mean() < 1


@pytest.mark.parametrize("v_reset", [None, -0.25])
def test_charge_and_reset(peer: Any, v_reset: float | None) -> None:
    x, v = torch.randn(2, B, N, dtype=torch.float64)
    spike = (v > 0).to(v).requires_grad_()
    results = []
    for f in (functional, peer.functional):
        charged = [f.lif_charge(x, v, 3.0, decay, v_reset) for decay in (False, True)]
        kept = f.voltage_reset(v, spike, 0.75, v_reset, False)
        cut = f.voltage_reset(v.clone().requires_grad_(), spike, 0.75, v_reset, True)
        (grad,) = torch.autograd.grad(kept.sum(), spike)
        assert torch.autograd.grad(cut.sum(), spike, allow_unused=True) == (None,)
        results.append([*charged, kept, cut, grad])
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want)
