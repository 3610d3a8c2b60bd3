"""Cells over a whole sequence, and stacks of them, in one direction or in both."""

from typing import Any

import torch
from torch import Tensor, nn

from bitspike.base import check_count, check_sequence
from bitspike.rnn._cells import (
    Spike,
    SpikingGRUCell,
    SpikingLSTMCell,
    SpikingRNNCellBase,
    SpikingVanillaRNNCell,
)


def directional_rnn_cell_forward(cell: nn.Module, x: Tensor, states: Tensor) -> tuple[Tensor, Any]:
    """Call a cell once a time step.

    Args:
        cell: takes ``x[t]`` and the last states; returns the new ones, one tensor or a tuple.
        x: ``[T, B, input_size]``.
        states: the first states: ``[B, hidden_size]`` for a cell with one state,
            ``[states, B, hidden_size]`` for one with several, of which the first is the output.

    Returns:
        The outputs ``[T, B, hidden_size]``, and the last result of the cell.

    Raises:
        ValueError: if ``states`` has another number of axes, or there is no time step.
    """
    return _forward(cell, x, states, "directional_rnn_cell_forward")


def bidirectional_rnn_cell_forward(
    cell: nn.Module,
    cell_reverse: nn.Module,
    x: Tensor,
    states: Tensor,
    states_reverse: Tensor,
) -> tuple[Tensor, Any, Any]:
    """Call one cell from the first time step to the last and another one back.

    Args:
        cell: see `directional_rnn_cell_forward`.
        cell_reverse: the same, for the way back.
        x: ``[T, B, input_size]``.
        states: first states of ``cell``.
        states_reverse: first states of ``cell_reverse``, with which it sees the last time step.

    Returns:
        Both outputs of each time step, ``[T, B, 2 * hidden_size]``, and the last result of
        each cell.

    Raises:
        ValueError: if the states have another number of axes, or there is no time step.
    """
    function = "bidirectional_rnn_cell_forward"
    if states.ndim != states_reverse.ndim:
        raise ValueError(
            f"{function}: states and states_reverse must have as many axes, but got "
            f"{tuple(states.shape)} and {tuple(states_reverse.shape)}"
        )
    y, last = _forward(cell, x, states, function)
    y_reverse, last_reverse = _forward(cell_reverse, x.flip(0), states_reverse, function)
    return torch.cat((y, y_reverse.flip(0)), dim=-1), last, last_reverse


def _forward(cell: nn.Module, x: Tensor, states: Any, function: str) -> tuple[Tensor, Any]:
    check_sequence(function, x, ndim=2)
    if states.ndim not in (2, 3):
        raise ValueError(
            f"{function}: states must be [B, hidden_size] or [states, B, hidden_size], but got "
            f"{tuple(states.shape)}"
        )
    single = states.ndim == 2
    outputs = []
    for step in x:
        states = cell(step, states)
        outputs.append(states if single else states[0])
    return torch.stack(outputs), states


class SpikingRNNBase(nn.Module):
    """Base of the stacks: ``num_layers`` cells, one above the other, in one direction or in both.

    Input ``x`` is ``[T, B, input_size]``, output ``[T, B, D * hidden_size]`` with ``D`` 2 for
    ``bidirectional``, else 1. States are ``[D * num_layers, B, hidden_size]``: one tensor, or a
    tuple of ``states_num()`` of them; in both directions the layers forward come first, then
    those back (``torch.nn.LSTM`` has them in turns).

    A subclass names its cell in `base_cell` and the number of its states in `states_num`.

    Args:
        input_size: features of the input.
        hidden_size: features of a layer's output in one direction.
        num_layers: layers, 1 or more.
        bias: whether the linear layers have biases.
        dropout_p: probability of an element between two layers to be dropped in training.
        invariant_dropout_mask: True draws the mask of the dropout once for all time steps.
        bidirectional: whether each layer has a second cell that starts at the last time step.
        *args: for each cell.
        **kwargs: the same.

    Raises:
        TypeError, ValueError: for arguments, inputs or states that do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool = True,
        dropout_p: float = 0,
        invariant_dropout_mask: bool = False,
        bidirectional: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        if not 0 <= dropout_p <= 1:
            raise ValueError(f"{kind}: dropout_p is a probability, but got {dropout_p}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = check_count(kind, "num_layers", num_layers)
        self.bias = bias
        self.dropout_p = dropout_p
        self.invariant_dropout_mask = bool(invariant_dropout_mask)
        self.bidirectional = bool(bidirectional)
        self._directions = 2 if bidirectional else 1
        cells = self.create_cells(*args, **kwargs)
        self.cells, *reverse = cells if isinstance(cells, tuple) else (cells,)
        if reverse:
            self.cells_reverse = reverse[0]

    @staticmethod
    def base_cell() -> type[SpikingRNNCellBase]:
        """Return the class of the cells."""
        raise NotImplementedError

    @staticmethod
    def states_num() -> int:
        """Return the number of states of a cell."""
        raise NotImplementedError

    def create_cells(
        self, *args: Any, **kwargs: Any
    ) -> nn.Sequential | tuple[nn.Sequential, nn.Sequential]:
        """Make the cells of all layers, and those for the way back if there are any."""
        above = self.hidden_size * self._directions

        def stack() -> nn.Sequential:
            sizes = [self.input_size, *[above] * (self.num_layers - 1)]
            cell, hidden = self.base_cell(), self.hidden_size
            return nn.Sequential(
                *(cell(size, hidden, self.bias, *args, **kwargs) for size in sizes)
            )

        return (stack(), stack()) if self.bidirectional else stack()

    def forward(
        self, x: Tensor, states: Tensor | tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
        """Return outputs and last states of a sequence.

        Args:
            x: ``[T, B, input_size]``.
            states: the first states; None for zeros.
        """
        if x.ndim != 3 or x.shape[0] == 0 or x.shape[2] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: the input must be [T, B, {self.input_size}] with T >= 1, "
                f"but got {tuple(x.shape)}"
            )
        first = self._first_states(x, states)
        masks = self._invariant_masks(x)
        directions = [self.cells, self.cells_reverse] if self.bidirectional else [self.cells]
        last: list[list[Tensor]] = [[] for _ in directions]
        y = x
        for layer in range(self.num_layers):
            outputs = []
            for back, cells in enumerate(directions):
                start = self._of_cell(first[:, layer + back * self.num_layers])
                x_seq = y.flip(0) if back else y
                y_seq, after = directional_rnn_cell_forward(cells[layer], x_seq, start)
                outputs.append(y_seq.flip(0) if back else y_seq)
                last[back].append(self._stacked(after))
            y = torch.cat(outputs, dim=-1) if self.bidirectional else outputs[0]
            if layer < self.num_layers - 1:
                y = (
                    nn.functional.dropout(y, self.dropout_p, self.training)
                    if masks is None
                    else y * masks[layer]
                )
        states_after = torch.stack([state for stack in last for state in stack], dim=1)
        return y, states_after[0] if self.states_num() == 1 else tuple(states_after)

    def _of_cell(self, states: Tensor) -> Tensor:
        return states[0] if self.states_num() == 1 else states

    def _stacked(self, states: Any) -> Tensor:
        if self.states_num() == 1:
            stacked: Tensor = states.unsqueeze(0)
            return stacked
        return torch.stack(tuple(states))

    def _first_states(self, x: Tensor, states: Tensor | tuple[Tensor, ...] | None) -> Tensor:
        """Return the first states, ``[states_num, D * num_layers, B, hidden_size]``."""
        number, kind = self.states_num(), type(self).__name__
        shape = (self._directions * self.num_layers, x.shape[1], self.hidden_size)
        if states is None:
            return torch.zeros(number, *shape, dtype=x.dtype, device=x.device)
        if isinstance(states, Tensor):
            states = (states,)
        if not isinstance(states, tuple | list):
            raise TypeError(
                f"{kind}: states must be a tensor or a tuple of tensors, not "
                f"{type(states).__name__}"
            )
        shapes = [tuple(state.shape) for state in states]
        if shapes != [shape] * number:
            raise ValueError(
                f"{kind}: states must be {number} tensor{'s' * (number > 1)} "
                f"[D * num_layers, B, hidden_size] = {list(shape)}, but got {shapes}"
            )
        return torch.stack(tuple(states))

    def _invariant_masks(self, x: Tensor) -> Tensor | None:
        if not (self.training and self.invariant_dropout_mask and self.dropout_p > 0):
            return None
        features = self.hidden_size * self._directions
        shape = (self.num_layers - 1, x.shape[1], features)
        return nn.functional.dropout(
            torch.ones(shape, dtype=x.dtype, device=x.device), self.dropout_p
        )

    def extra_repr(self) -> str:
        """Return the text for ``repr(net)``."""
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"dropout_p={self.dropout_p}, bidirectional={self.bidirectional}"
        )


class _TwoSurrogates(SpikingRNNBase):
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool = True,
        dropout_p: float = 0,
        invariant_dropout_mask: bool = False,
        bidirectional: bool = False,
        surrogate_function1: Spike | None = None,
        surrogate_function2: Spike | None = None,
    ) -> None:
        stack = input_size, hidden_size, num_layers, bias, dropout_p
        directions = invariant_dropout_mask, bidirectional
        super().__init__(*stack, *directions, surrogate_function1, surrogate_function2)


class SpikingLSTM(_TwoSurrogates):
    """Layers of `SpikingLSTMCell`; shapes and arguments: see `SpikingRNNBase`.

    The states are ``(h, c)``.

    Args:
        surrogate_function1: spike function; None is ``surrogate.Erf()``.
        surrogate_function2: spike function of the cell input; None is the first one.
    """

    @staticmethod
    def base_cell() -> type[SpikingLSTMCell]:
        """Return `SpikingLSTMCell`."""
        return SpikingLSTMCell

    @staticmethod
    def states_num() -> int:
        """Return 2."""
        return 2


class SpikingGRU(_TwoSurrogates):
    """Layers of `SpikingGRUCell`; shapes and arguments: see `SpikingRNNBase`.

    The state is ``h``.

    Args:
        surrogate_function1: spike function; None is ``surrogate.Erf()``.
        surrogate_function2: spike function of the new state; None is the first one.
    """

    @staticmethod
    def base_cell() -> type[SpikingGRUCell]:
        """Return `SpikingGRUCell`."""
        return SpikingGRUCell

    @staticmethod
    def states_num() -> int:
        """Return 1."""
        return 1


class SpikingVanillaRNN(SpikingRNNBase):
    """Layers of `SpikingVanillaRNNCell`; shapes and arguments: see `SpikingRNNBase`.

    The state is ``h``.

    Args:
        surrogate_function: spike function; None is ``surrogate.Erf()``.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool = True,
        dropout_p: float = 0,
        invariant_dropout_mask: bool = False,
        bidirectional: bool = False,
        surrogate_function: Spike | None = None,
    ) -> None:
        stack = input_size, hidden_size, num_layers, bias, dropout_p
        super().__init__(*stack, invariant_dropout_mask, bidirectional, surrogate_function)

    @staticmethod
    def base_cell() -> type[SpikingVanillaRNNCell]:
        """Return `SpikingVanillaRNNCell`."""
        return SpikingVanillaRNNCell

    @staticmethod
    def states_num() -> int:
        """Return 1."""
        return 1
