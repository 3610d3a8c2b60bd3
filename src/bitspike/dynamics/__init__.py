"""The equations of the neurons, each written once.

Plain arithmetic on scalars, tensors, or the symbols with which an engine records it. A neuron is
charge, fire, reset: ``h`` is the membrane potential before the spike, ``v`` after it.
"""

from bitspike.dynamics._charge import (
    cuba_charge,
    eif_charge,
    if_charge,
    lif_charge,
    plif_charge,
    qif_charge,
)
from bitspike.dynamics._reset import hard_reset, soft_reset, voltage_reset
from bitspike.dynamics._steps import (
    adaptation,
    adaptive_lif_step,
    alpha_step,
    clif_step,
    cuba_lif_step,
    eif_step,
    if_step,
    ilif_step,
    izhikevich_step,
    klif_step,
    liaf_step,
    lif_step,
    plif_step,
    qif_step,
    raf_step,
    spike_and_reset,
    ternary_if_step,
    ternary_lif_step,
)

__all__ = [
    "adaptation",
    "adaptive_lif_step",
    "alpha_step",
    "clif_step",
    "cuba_charge",
    "cuba_lif_step",
    "eif_charge",
    "eif_step",
    "hard_reset",
    "if_charge",
    "if_step",
    "ilif_step",
    "izhikevich_step",
    "klif_step",
    "liaf_step",
    "lif_charge",
    "lif_step",
    "plif_charge",
    "plif_step",
    "qif_charge",
    "qif_step",
    "raf_step",
    "soft_reset",
    "spike_and_reset",
    "ternary_if_step",
    "ternary_lif_step",
    "voltage_reset",
]
