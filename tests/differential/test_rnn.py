"""Recurrent layers against SpikingJelly's."""

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import rnn, surrogate

T, B, INPUT, HIDDEN = 5, 3, 4, 6
STACKS = ["SpikingLSTM", "SpikingGRU", "SpikingVanillaRNN"]
every_stack = pytest.mark.parametrize("name", STACKS)


def flat(result: Any) -> list[Tensor]:
    y, states = result
    return [y, *(states if isinstance(states, tuple) else (states,))]


def graded(module: Any, x: Tensor, *states: Any) -> list[Tensor]:
    outputs = flat(module(x, *states))
    loss = sum((torch.linspace(-1, 2, y.numel()).view(y.shape) * y).sum() for y in outputs)
    assert isinstance(loss, Tensor)
    return [*outputs, *torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)]


def same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@every_stack
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("invariant", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_stack(peer: Any, name: str, bidirectional: bool, invariant: bool, bias: bool) -> None:
    arguments = (INPUT, HIDDEN, 3, bias, 0.3, invariant, bidirectional)
    torch.manual_seed(1)
    ours = getattr(rnn, name)(*arguments)
    torch.manual_seed(1)
    theirs = getattr(peer.rnn, name)(*arguments)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)  # the same seed, the same network
    theirs.load_state_dict(ours.state_dict(), strict=True)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = 2.0 * torch.randn(T, B, INPUT)
    shape = (3 * (1 + bidirectional), B, HIDDEN)
    states = tuple((torch.rand(shape) < 0.5).float() for _ in range(ours.states_num()))
    given = states if len(states) > 1 else states[0]
    for training in (True, False):
        results = []
        for module in (ours, theirs):
            module.train(training)
            torch.manual_seed(2)
            results.append(graded(module, x) + graded(module, x, given))
        same(*results)
        assert results[0][0].abs().sum() > 0


@every_stack
@pytest.mark.parametrize("spiking", [True, False])
def test_two_spike_functions(peer: Any, name: str, spiking: bool) -> None:
    number = 1 if name == "SpikingVanillaRNN" else 2
    results = []
    weights: dict[str, Tensor] = {}
    for package, spike in ((rnn, surrogate), (peer.rnn, peer.surrogate)):
        functions = [spike.ATan(spiking=spiking), spike.Sigmoid(spiking=spiking)][:number]
        keywords = (
            {"surrogate_function": functions[0]}
            if number == 1
            else {"surrogate_function1": functions[0], "surrogate_function2": functions[1]}
        )
        module = getattr(package, name)(INPUT, HIDDEN, 2, **keywords)
        weights = weights or module.state_dict()
        module.load_state_dict(weights)
        x = 2.0 * torch.randn(T, B, INPUT, generator=torch.Generator().manual_seed(4))
        results.append(graded(module, x))
    same(*results)


@every_stack
def test_cell(peer: Any, name: str) -> None:
    ours, theirs = (getattr(package, f"{name}Cell")(INPUT, HIDDEN) for package in (rnn, peer.rnn))
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(B, INPUT)
    a, b = ours(x), theirs(x)
    for _ in range(3):
        for one, other in zip(
            *((s if isinstance(s, tuple) else (s,)) for s in (a, b)), strict=True
        ):
            torch.testing.assert_close(one, other)
        a, b = ours(x, a), theirs(x, b)
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        assert torch.equal(getattr(ours, part)(), getattr(theirs, part)())


@pytest.mark.parametrize("name", ["SpikingLSTM", "SpikingGRU"])
def test_directions(peer: Any, name: str) -> None:
    cells = [getattr(rnn, f"{name}Cell")(INPUT, HIDDEN) for _ in range(2)]
    x = torch.randn(T, B, INPUT)
    shape = (2, B, HIDDEN) if name == "SpikingLSTM" else (B, HIDDEN)
    states = torch.zeros(shape)
    ours = rnn.directional_rnn_cell_forward(cells[0], x, states)
    theirs = peer.rnn.directional_rnn_cell_forward(cells[0], x, states)
    assert torch.equal(ours[0], theirs[0])
    both = [
        package.bidirectional_rnn_cell_forward(*cells, x, states, states)
        for package in (rnn, peer.rnn)
    ]
    for one, other in zip(*both, strict=True):
        pairs = zip(one, other, strict=True) if isinstance(one, tuple) else [(one, other)]
        assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("name", rnn.__all__)
def test_signature(peer: Any, name: str) -> None:
    ours, theirs = (
        [(p.name, p.default) for p in inspect.signature(getattr(m, name)).parameters.values()]
        for m in (rnn, peer.rnn)
    )
    assert [one for one, _ in ours] == [one for one, _ in theirs]
    for (parameter, default), (_, expected) in zip(ours, theirs, strict=True):
        if isinstance(expected, peer.surrogate.Erf):  # ours makes a new one for each cell
            assert default is None
            made = getattr(rnn, name)(2, 3, *([1] if name in STACKS else []))
            functions = [getattr(m, parameter, None) for m in made.modules()]
            assert any(isinstance(f, surrogate.Erf) and f.alpha == 2.0 for f in functions)
        else:
            assert default == expected
