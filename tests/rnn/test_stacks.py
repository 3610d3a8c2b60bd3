"""Stacks of recurrent layers."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import rnn, spikes, surrogate

T, B, INPUT, HIDDEN = 6, 3, 4, 5
STACKS = ["SpikingLSTM", "SpikingGRU", "SpikingVanillaRNN"]
every_stack = pytest.mark.parametrize("name", STACKS)


def make(name: str, *arguments: Any, **kwargs: Any) -> Any:
    stack = getattr(rnn, name)(INPUT, HIDDEN, *arguments, **kwargs)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.mul_(2.0)
    return stack


def tuple_of(states: Any) -> tuple[Tensor, ...]:
    return states if isinstance(states, tuple) else (states,)


@every_stack
@pytest.mark.parametrize("bidirectional", [False, True])
def test_shapes_and_spikes(name: str, bidirectional: bool) -> None:
    stack = make(name, 2, bidirectional=bidirectional)
    y, states = stack(torch.randn(T, B, INPUT))
    D = 1 + bidirectional
    assert y.shape == (T, B, D * HIDDEN)
    assert len(tuple_of(states)) == stack.states_num()
    assert all(state.shape == (D * 2, B, HIDDEN) for state in tuple_of(states))
    assert set(y.unique().tolist()) == {0.0, 1.0}
    h = tuple_of(states)[0]
    assert torch.equal(h[1], y[-1, :, :HIDDEN])
    if bidirectional:
        assert torch.equal(h[3], y[0, :, HIDDEN:])


@every_stack
def test_chunks_that_hand_on_the_states_are_the_whole(name: str) -> None:
    stack = make(name, 3)
    x = torch.randn(T, B, INPUT)
    whole, last = stack(x)
    first, states = stack(x[:2])
    second, states = stack(x[2:], states)
    assert torch.equal(torch.cat([first, second]), whole)
    for one, other in zip(tuple_of(states), tuple_of(last), strict=True):
        assert torch.equal(one, other)


@every_stack
def test_back_is_forth_on_the_sequence_turned_round(name: str) -> None:
    both, forth = make(name, 1, bidirectional=True), make(name, 1)
    x = torch.randn(T, B, INPUT)
    y, _ = both(x)
    forth.cells.load_state_dict(both.cells.state_dict())
    assert torch.equal(y[..., :HIDDEN], forth(x)[0])
    forth.cells.load_state_dict(both.cells_reverse.state_dict())
    assert torch.equal(y[..., HIDDEN:], forth(x.flip(0))[0].flip(0))


@every_stack
def test_the_stack_is_its_cells_one_above_the_other(name: str) -> None:
    stack = make(name, 2)
    x = torch.randn(T, B, INPUT)
    y, _ = stack(x)
    for cell in stack.cells:
        state, outputs = None, []
        for one in x:
            state = cell(one, state)
            outputs.append(tuple_of(state)[0])
        x = torch.stack(outputs)
    assert torch.equal(y, x)


@every_stack
@pytest.mark.parametrize("invariant", [False, True])
def test_dropout_between_the_layers(name: str, invariant: bool) -> None:
    stack = make(name, 2, dropout_p=0.5, invariant_dropout_mask=invariant)
    seen: list[Tensor] = []
    stack.cells[0].register_forward_hook(lambda *call: seen.append(tuple_of(call[2])[0]))
    given: list[Tensor] = []
    stack.cells[1].register_forward_pre_hook(lambda _, call: given.append(call[0]))
    stack(torch.randn(30, B, INPUT))
    below, above = torch.stack(seen), torch.stack(given)
    share = above[below == 1] / 2.0
    assert set(share.flatten().tolist()) == {0.0, 1.0}
    assert 0.25 < share.mean() < 0.75
    kept = torch.where(below == 1, above, torch.full_like(above, float("nan")))
    steady = all(len(set(k[~k.isnan()].tolist())) <= 1 for k in kept.flatten(1).T)
    assert steady == invariant
    stack.eval()
    seen.clear()
    given.clear()
    stack(torch.randn(4, B, INPUT))
    assert torch.equal(torch.stack(seen), torch.stack(given))


@every_stack
def test_gradients_by_finite_differences(name: str) -> None:
    stack = make(name, 2, True, 0, False, True, surrogate.Sigmoid(spiking=False)).double()
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.sub_(0.2)  # the cell of the LSTM stays below its bound of 1
    x = torch.randn(3, 2, INPUT, dtype=torch.float64, requires_grad=True)
    parameters = {n: p.detach().clone().requires_grad_() for n, p in stack.named_parameters()}

    def run(x: Tensor, *values: Tensor) -> Tensor:
        named = dict(zip(parameters, values, strict=True))
        y: Tensor = torch.func.functional_call(stack, named, (x,))[0]
        return y

    assert torch.autograd.gradcheck(run, (x, *parameters.values()), fast_mode=True)


@every_stack
def test_spikes_stored_as_bits_give_the_same(name: str) -> None:
    stack = make(name, 2, bidirectional=True)
    x = (torch.rand(T, B, INPUT) < 0.5).float()
    assert torch.equal(stack(spikes.pack(x))[0], stack(x)[0])


@every_stack
def test_it_copies_and_learns(name: str) -> None:
    stack = make(name, 2)
    x = torch.randn(T, B, INPUT)
    twin = copy.deepcopy(stack)
    y, _ = stack(x)
    assert torch.equal(twin(x)[0], y)
    y.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in stack.parameters())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"num_layers": 0}, "num_layers must be 1 or more, but got 0"),
        ({"num_layers": 1, "dropout_p": 1.5}, "dropout_p is a probability, but got 1.5"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"SpikingGRU: {complaint}"):
        rnn.SpikingGRU(INPUT, HIDDEN, **arguments)


@pytest.mark.parametrize("shape", [(T, B), (T, B, INPUT + 1), (0, B, INPUT)])
def test_bad_input(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"SpikingLSTM: the input must be \[T, B, 4\]"):
        rnn.SpikingLSTM(INPUT, HIDDEN, 1)(torch.zeros(shape))


def test_bad_states() -> None:
    x, good = torch.zeros(T, B, INPUT), torch.zeros(2, B, HIDDEN)
    lstm, gru = rnn.SpikingLSTM(INPUT, HIDDEN, 2), rnn.SpikingGRU(INPUT, HIDDEN, 2)
    with pytest.raises(
        ValueError, match=r"states must be 2 tensors .* = \[2, 3, 5\], but got \[\(2"
    ):
        lstm(x, good)
    with pytest.raises(ValueError, match="states must be 1 tensor "):
        gru(x, (good, good))
    with pytest.raises(ValueError, match=r"but got \[\(2, 2, 5\)\]"):
        gru(x, good[:, :2])
    with pytest.raises(TypeError, match="a tensor or a tuple of tensors, not str"):
        gru(x, "zeros")


def test_directions_refuse_what_they_cannot_tell_apart() -> None:
    cell, x = rnn.SpikingGRUCell(INPUT, HIDDEN), torch.zeros(T, B, INPUT)
    with pytest.raises(ValueError, match=r"states must be \[B, hidden_size\] or"):
        rnn.directional_rnn_cell_forward(cell, x, torch.zeros(HIDDEN))
    with pytest.raises(ValueError, match="must have as many axes"):
        rnn.bidirectional_rnn_cell_forward(
            cell, cell, x, torch.zeros(B, HIDDEN), torch.zeros(1, B, HIDDEN)
        )
