"""The engine: time loops, forward and backward.

`eager` is the truth, plain PyTorch over the equations of `bitspike.dynamics`; faster backends are
held to it by parity tests. Modules call what is exported here and never a backend by name.
"""

from bitspike.kernels._neuron import Neuron
from bitspike.kernels.eager import scan, step

__all__ = ["Neuron", "scan", "step"]
