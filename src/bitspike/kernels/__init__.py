"""The engine: time loops, encoders and layers on spikes, forward and backward.

`eager` is the truth, plain PyTorch; faster backends are held to it by parity tests. Modules call
what is exported here and never a backend by name.
"""

from bitspike.kernels._buffers import release_buffers
from bitspike.kernels._convolution import contiguous_for_torch, convolution
from bitspike.kernels._current import Current
from bitspike.kernels._dispatch import BACKENDS, BackendError, check_backend, use_backend
from bitspike.kernels._entry import (
    encode_held,
    encode_poisson,
    scan,
    scan_of_current,
    weight_gradient,
)
from bitspike.kernels._explain import explain_scan
from bitspike.kernels._held import one_step
from bitspike.kernels._norm import BatchNormOnKernels
from bitspike.kernels._planes import channels_last
from bitspike.kernels._prepared import keep_prepared
from bitspike.kernels._threads import get_num_threads, set_num_threads

__all__ = [
    "BACKENDS",
    "BackendError",
    "BatchNormOnKernels",
    "Current",
    "channels_last",
    "check_backend",
    "contiguous_for_torch",
    "convolution",
    "encode_held",
    "encode_poisson",
    "explain_scan",
    "get_num_threads",
    "keep_prepared",
    "one_step",
    "release_buffers",
    "scan",
    "scan_of_current",
    "set_num_threads",
    "use_backend",
    "weight_gradient",
]
