"""The equations that neurons share, each written once.

They are plain arithmetic on numbers, on tensors, or on the symbols with which the engine records
them. A neuron is charge, fire, reset: ``h`` is the membrane potential before the spike, ``v`` after
it. The whole step of a neuron stands beside its class, and is exported by `bitspike.functional`.
"""

import importlib
from collections.abc import Callable
from typing import Any

from bitspike.dynamics._charge import (
    adaptation,
    cuba_charge,
    eif_charge,
    if_charge,
    lif_charge,
    plif_charge,
    qif_charge,
)
from bitspike.dynamics._reset import hard_reset, soft_reset, spike_and_reset, voltage_reset

__all__ = [
    "adaptation",
    "cuba_charge",
    "eif_charge",
    "hard_reset",
    "if_charge",
    "lif_charge",
    "plif_charge",
    "qif_charge",
    "soft_reset",
    "spike_and_reset",
    "voltage_reset",
]


def __getattr__(name: str) -> Callable[..., Any]:
    """Return the whole step of a neuron, which programs may still look for in this package."""
    if not name.startswith("_") and name.endswith("_step"):
        # By name, since this package lies below the neurons.
        neurons = importlib.import_module("bitspike.neuron")
        step: Callable[..., Any] | None = neurons.step_functions().get(name)
        if step is not None:
            return step
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
