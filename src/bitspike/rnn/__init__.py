"""Recurrent layers whose gates and outputs are spikes.

They take and return sequences ``[T, B, ...]`` and the states of their cells, as ``torch.nn.LSTM``
and its like do; they hold no state between two calls.
"""

from bitspike.rnn._cells import (
    SpikingGRUCell,
    SpikingLSTMCell,
    SpikingRNNCellBase,
    SpikingVanillaRNNCell,
)
from bitspike.rnn._stacks import (
    SpikingGRU,
    SpikingLSTM,
    SpikingRNNBase,
    SpikingVanillaRNN,
    bidirectional_rnn_cell_forward,
    directional_rnn_cell_forward,
)

__all__ = [
    "SpikingGRU",
    "SpikingGRUCell",
    "SpikingLSTM",
    "SpikingLSTMCell",
    "SpikingRNNBase",
    "SpikingRNNCellBase",
    "SpikingVanillaRNN",
    "SpikingVanillaRNNCell",
    "bidirectional_rnn_cell_forward",
    "directional_rnn_cell_forward",
]
