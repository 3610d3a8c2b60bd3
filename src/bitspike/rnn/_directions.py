"""A cell over a whole sequence, in one direction or in both."""

from typing import Any

import torch
from torch import Tensor, nn

from bitspike.base import check_sequence


def directional_rnn_cell_forward(cell: nn.Module, x: Tensor, states: Tensor) -> tuple[Tensor, Any]:
    """Calls a cell once a time step.

    Args:
        cell: takes ``x[t]`` and the last states; returns the new ones, one tensor or a tuple.
        x: ``[T, B, input_size]``.
        states: the first states: ``[B, hidden_size]`` for a cell with one state,
            ``[states, B, hidden_size]`` for one with several, of which the first is the output.

    Returns:
        The outputs ``[T, B, hidden_size]``, and what the cell returned last.

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
    """Calls one cell from the first time step to the last and another one back.

    Args:
        cell: see `directional_rnn_cell_forward`.
        cell_reverse: the same, for the way back.
        x: ``[T, B, input_size]``.
        states: first states of ``cell``.
        states_reverse: first states of ``cell_reverse``, with which it sees the last time step.

    Returns:
        Both outputs of each time step, ``[T, B, 2 * hidden_size]``, and what each cell returned
        last.

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
