"""The equations of the neurons, each written once.

Plain arithmetic on scalars or tensors, so that the eager reference, Numba and Triton can run
the very same functions. A neuron is charge, fire, reset: ``h`` is the membrane potential before
the spike, ``v`` after it.
"""

from bitspike.dynamics._charge import Charge
from bitspike.dynamics._integrate import INTEGRATE
from bitspike.dynamics._leak import LEAK, LEAK_DECAY_INPUT, LEAK_RATE, LEAK_RATE_DECAY_INPUT
from bitspike.dynamics._reset import HARD, SOFT, Reset

__all__ = [
    "HARD",
    "INTEGRATE",
    "LEAK",
    "LEAK_DECAY_INPUT",
    "LEAK_RATE",
    "LEAK_RATE_DECAY_INPUT",
    "SOFT",
    "Charge",
    "Reset",
]
