"""Spiking neural networks on PyTorch.

The modules follow ``spikingjelly.activation_based``, so that a program moves over by changing
its import::

    from bitspike import encoding, functional, layer, neuron, surrogate

What training programs need beside a network (`datasets`, `training`) and what looks at one
(`monitor`, `visualizing`) is imported by name when it is wanted, and not before. So is
``bitspike.health(net, x)``, the diagnosis of a network; see `bitspike.diagnosis`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bitspike._version import __version__

if TYPE_CHECKING:
    from bitspike import (
        base,
        encoding,
        functional,
        layer,
        loss,
        memory,
        neuron,
        rnn,
        surrogate,
    )

__all__ = [
    "__version__",
    "base",
    "encoding",
    "functional",
    "layer",
    "loss",
    "memory",
    "neuron",
    "rnn",
    "surrogate",
]

# Imported when they are first used, so that `bitspike --help` need not wait for torch.
_AT_FIRST_USE = frozenset({*__all__, "dynamics", "kernels", "spikes"}) - {"__version__"}


def __getattr__(name: str) -> Any:
    if name == "health":
        return import_module("bitspike.diagnosis").health
    if name in _AT_FIRST_USE:
        return import_module(f"bitspike.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_AT_FIRST_USE, "health"})
