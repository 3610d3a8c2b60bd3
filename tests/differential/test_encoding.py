"""Encoders against SpikingJelly's."""

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import encoding

PLAYERS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "linear": ("LatencyEncoder", (7,)),
    "linear, one step": ("LatencyEncoder", (1,)),
    "log": ("LatencyEncoder", (7, "log")),
    "log, long": ("LatencyEncoder", (60, "log")),
    "phase": ("WeightedPhaseEncoder", (6,)),
}


def values() -> Tensor:
    grid = torch.linspace(0, 1 - 2**-6, 101)
    return torch.cat((grid, torch.rand(99, generator=torch.Generator().manual_seed(1)) * 0.98))


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("name", PLAYERS)
def test_players(peer: Any, name: str, step_mode: str) -> None:
    kind, arguments = PLAYERS[name]
    played = []
    for library in (encoding, peer.encoding):
        encoder = getattr(library, kind)(*arguments, step_mode=step_mode)
        steps = []
        for x in (values(), values().flip(0)):
            if step_mode == "s":
                steps += [encoder(x) for _ in range(encoder.T // 2 + 2)]
                steps += [encoder() for _ in range(encoder.T)]
            else:
                steps += [*encoder(x.expand(encoder.T, *x.shape)), *encoder(x.expand(3, *x.shape))]
            steps += [torch.as_tensor(encoder.t), *encoder.spike]
            encoder.reset()
            assert encoder.spike is None
            assert encoder.t == 0
        played.append(steps)
    assert len(played[0]) == len(played[1])
    assert all(torch.equal(a, b) for a, b in zip(*played, strict=True))
    assert all(a.dtype is b.dtype for a, b in zip(*played, strict=True))


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_periodic(peer: Any, step_mode: str) -> None:
    """Given the spike train at the first call, as SpikingJelly wants it."""
    spike = (torch.rand(4, 3, 5) < 0.5).float()
    played = []
    for library in (encoding, peer.encoding):
        encoder = library.PeriodicEncoder(spike, step_mode)
        x = spike if step_mode == "s" else spike.expand(6, *spike.shape)
        first = encoder(x)
        outputs = [first] if step_mode == "s" else list(first)
        outputs += [encoder(x) for _ in range(5)] if step_mode == "s" else list(encoder(x))
        played.append(outputs)
    assert all(torch.equal(a, b) for a, b in zip(*played, strict=True))


def test_user_defined_encoder(peer: Any) -> None:
    played = []
    for library in (encoding, peer.encoding):

        class Ramp(library.StatefulEncoder):  # type: ignore[misc, name-defined]
            def single_step_encode(self, x: Tensor) -> Tensor:
                return torch.stack([(x > t / self.T).float() for t in range(self.T)])

        encoder = Ramp(3)
        outputs, states = encoder.functional_forward((values(),), (None, 0))
        played.append([*(encoder(values()) for _ in range(4)), *outputs, *states[0]])
        assert states[1] == 1
    assert all(torch.equal(a, b) for a, b in zip(*played, strict=True))


@pytest.mark.parametrize("name", ["PopEncoder", "PopSpikeEncoderDeterministic"])
def test_population(peer: Any, name: str) -> None:
    results = []
    for library in (encoding, peer.encoding):
        encoder = getattr(library, name)(3, 4, 5, (-2.0, 2.0), 0.5)
        assert list(encoder.state_dict()) == ["mean", "std"]
        assert encoder.encoder_neuron_num == 12
        obs = torch.tensor([[-1.5, 0.25, 3.0], [0.0, 1.0, -2.0]], requires_grad=True)
        outputs = [encoder(obs) for _ in range(2)]
        weight = torch.arange(outputs[0].numel()).reshape(outputs[0].shape).float()
        sum((weight * y).sum() for y in outputs).backward()
        results.append([*outputs, obs.grad, encoder.mean.grad, encoder.std.grad])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_random_population(peer: Any) -> None:
    """The same probabilities and gradients; the random numbers are each library's own."""
    grads, rates = [], []
    for library in (encoding, peer.encoding):
        encoder = library.PopSpikeEncoderRandom(2, 3, 4000, (-1.0, 1.0), 0.7)
        obs = torch.tensor([[0.1, -0.4]], requires_grad=True)
        spikes = encoder(obs)
        spikes.sum(0).mul(torch.arange(6.0)).sum().backward()
        grads.append([obs.grad, encoder.mean.grad, encoder.std.grad])
        rates.append(spikes.detach().mean(0))
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-3)
    assert (rates[0] - rates[1]).abs().max() < 0.05


NAMES = [
    "LatencyEncoder",
    "PeriodicEncoder",
    "PopEncoder",
    "PopSpikeEncoderDeterministic",
    "PopSpikeEncoderRandom",
    "StatefulEncoder",
    "StatelessEncoder",
    "WeightedPhaseEncoder",
]


@pytest.mark.parametrize("name", NAMES)
def test_signature(peer: Any, name: str) -> None:
    ours, theirs = (
        [(p.name, p.default) for p in inspect.signature(getattr(m, name)).parameters.values()]
        for m in (encoding, peer.encoding)
    )
    assert ours == theirs


def test_every_name_is_here(peer: Any) -> None:
    names = {
        name
        for name, value in vars(peer.encoding).items()
        if inspect.isclass(value) and value.__module__ == peer.encoding.__name__
    }
    assert names == {*NAMES, "PoissonEncoder"}
    assert names <= set(encoding.__all__)
