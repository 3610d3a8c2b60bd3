"""The engine: time loops, encoders and layers on spikes, forward and backward.

`eager` is the truth, plain PyTorch over the equations of `bitspike.dynamics`; faster backends are
held to it by parity tests. Modules call what is exported here and never a backend by name.
"""

from bitspike.kernels._dispatch import BACKENDS, BackendError, check_backend, use_backend
from bitspike.kernels._entry import encode_poisson, scan
from bitspike.kernels._neuron import Neuron
from bitspike.kernels.eager import step

__all__ = [
    "BACKENDS",
    "BackendError",
    "Neuron",
    "check_backend",
    "encode_poisson",
    "scan",
    "step",
    "use_backend",
]
