"""One time step of the recurrent layers, by hand and by finite differences."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import rnn, surrogate

CELLS = {"SpikingLSTMCell": 4, "SpikingGRUCell": 3, "SpikingVanillaRNNCell": 1}
every_cell = pytest.mark.parametrize("name", CELLS)


def with_gates(cell: Any, *gates: float) -> Any:
    """A cell of size 1 whose gates see these numbers, whatever comes in."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.linear_ih.bias.copy_(torch.tensor(gates))
    return cell


X, ON, OFF = torch.ones(1, 1), 1.0, -1.0


@pytest.mark.parametrize(
    ("gates", "c", "expected"),
    [
        ((ON, OFF, ON, ON), 1.0, (1.0, 1.0)),  # written, the old one forgotten
        ((OFF, ON, ON, ON), 1.0, (1.0, 1.0)),  # kept
        ((ON, ON, ON, ON), 1.0, (1.0, 1.0)),  # 2 is cut to 1
        ((ON, ON, ON, OFF), 1.0, (0.0, 1.0)),  # not shown
        ((OFF, OFF, ON, ON), 1.0, (0.0, 0.0)),
    ],
)
def test_lstm_by_hand(gates: Any, c: float, expected: tuple[float, float]) -> None:
    cell = with_gates(rnn.SpikingLSTMCell(1, 1), *gates)
    h, c_next = cell(X, (torch.zeros(1, 1), torch.full((1, 1), c)))
    assert (h.item(), c_next.item()) == expected


def test_the_gradient_passes_the_cut() -> None:
    cell = with_gates(rnn.SpikingLSTMCell(1, 1), ON, ON, ON, ON)
    c = torch.ones(1, 1, requires_grad=True)
    h, _ = cell(X, (torch.zeros(1, 1), c))
    assert torch.autograd.grad(h.sum(), c)[0].item() == 1.0


@pytest.mark.parametrize(
    ("gates", "h", "expected"),
    [
        ((OFF, ON, OFF), 1.0, 1.0),  # z keeps the old state
        ((OFF, OFF, ON), 0.0, 1.0),  # and gives way to the new one
        ((OFF, OFF, OFF), 1.0, 0.0),
    ],
)
def test_gru_by_hand(gates: Any, h: float, expected: float) -> None:
    cell = with_gates(rnn.SpikingGRUCell(1, 1), *gates)
    assert cell(X, torch.full((1, 1), h)).item() == expected


def test_the_reset_gate_hides_the_old_state() -> None:
    for r, expected in ((ON, 0.0), (OFF, 1.0)):
        cell = with_gates(rnn.SpikingGRUCell(1, 1), r, OFF, 0.5)
        with torch.no_grad():
            cell.linear_hh.weight[2] = -2.0
        assert cell(X, torch.ones(1, 1)).item() == expected


def test_vanilla_by_hand() -> None:
    cell = with_gates(rnn.SpikingVanillaRNNCell(1, 1), 0.5)
    with torch.no_grad():
        cell.linear_hh.weight.fill_(-1.0)
    h = cell(X)
    assert (h.item(), cell(X, h).item()) == (1.0, 0.0)


@every_cell
def test_gradients_by_finite_differences(name: str) -> None:
    cell = getattr(rnn, name)(3, 2, True, surrogate.Sigmoid(spiking=False)).double()
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    states = torch.rand(2, 2, 2, dtype=torch.float64) * 0.4
    states.requires_grad_()

    def run(x: Tensor, states: Tensor, *parameters: Tensor) -> Any:
        values = dict(zip(dict(cell.named_parameters()), parameters, strict=True))
        state = states if name == "SpikingLSTMCell" else states[0]
        return torch.func.functional_call(cell, values, (x, state))

    parameters = [p.detach().clone().requires_grad_() for p in cell.parameters()]
    assert torch.autograd.gradcheck(run, (x, states, *parameters))


@every_cell
def test_no_state_is_zeros_and_parameters_lie_within_the_bound(name: str) -> None:
    cell = getattr(rnn, name)(3, 4)
    x = torch.randn(5, 3)
    zeros = torch.zeros(5, 4)
    given = cell(x, (zeros, zeros) if name == "SpikingLSTMCell" else zeros)
    for one, other in zip(cell(x), given, strict=True):
        assert torch.equal(one, other)
    assert cell.weight_ih().shape == (CELLS[name] * 4, 3)
    assert cell.weight_hh().shape == (CELLS[name] * 4, 4)
    values = torch.cat([p.flatten() for p in cell.parameters()])
    assert 0.35 < values.abs().max() <= 0.5
    without = getattr(rnn, name)(3, 4, bias=False)
    assert without.bias_ih() is None
    assert without.bias_hh() is None


@pytest.mark.parametrize("name", ["SpikingLSTMCell", "SpikingGRUCell"])
def test_both_functions_spike_or_neither(name: str) -> None:
    step, smooth = surrogate.Sigmoid(), surrogate.Sigmoid(spiking=False)
    with pytest.raises(ValueError, match=f"{name}: .* must both have spiking=True or both False"):
        getattr(rnn, name)(3, 4, True, step, smooth)
    cell = getattr(rnn, name)(3, 4, True, step, surrogate.ATan())
    cell.surrogate_function2.spiking = False
    with pytest.raises(ValueError, match="must both have spiking"):
        cell(torch.zeros(2, 3))


def test_a_cell_of_a_user_s_own() -> None:
    class Leaky(rnn.SpikingRNNCellBase):
        """Half of the last output, and the input."""

        def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
            super().__init__(input_size, hidden_size, bias)
            self.linear_ih = nn.Linear(input_size, hidden_size, bias)
            self.reset_parameters()

        def forward(self, x: Tensor, h: Tensor) -> Tensor:
            y: Tensor = 0.5 * h + self.linear_ih(x)
            return y

    class Stack(rnn.SpikingRNNBase):
        @staticmethod
        def base_cell() -> type[rnn.SpikingRNNCellBase]:
            return Leaky

        @staticmethod
        def states_num() -> int:
            return 1

    stack = Stack(3, 4, 2)
    y, h = stack(torch.rand(5, 2, 3))
    assert y.shape == (5, 2, 4)
    assert torch.equal(h[1], y[-1])


@pytest.mark.parametrize("kind", ["SpikingLSTMCell", "SpikingGRUCell", "SpikingVanillaRNNCell"])
def test_shapes_that_are_no_time_step(kind: str) -> None:
    cell = getattr(rnn, kind)(4, 5)
    for shape in ((4,), (3, 2, 4), (2, 5)):
        with pytest.raises(ValueError, match=rf"{kind}: one time step is \[B, 4\].* sequences"):
            cell(torch.rand(shape))
    for shape in ((5,), (3, 5), (2, 4)):
        state = torch.zeros(shape)
        with pytest.raises(ValueError, match=r"with states \[B, 5\], but got \(2, 4\), \("):
            cell(torch.rand(2, 4), (state, state) if "LSTM" in kind else state)
