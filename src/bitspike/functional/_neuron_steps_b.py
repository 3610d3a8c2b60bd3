"""Step functions of the neurons whose equations stand in their own files."""

from bitspike.neuron._activation_aware import (
    activation_aware_if_multi_step,
    activation_aware_if_step,
)
from bitspike.neuron._gated_lif import gated_lif_step
from bitspike.neuron._psn import masked_psn_step, sliding_psn_step
from bitspike.neuron._stbif import stbif_multi_step, stbif_step

__all__ = [
    "activation_aware_if_multi_step",
    "activation_aware_if_step",
    "gated_lif_step",
    "masked_psn_step",
    "sliding_psn_step",
    "stbif_multi_step",
    "stbif_step",
]
