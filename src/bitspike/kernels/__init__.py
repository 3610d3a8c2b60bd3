"""The engine: time loops, encoders and layers on spikes, forward and backward.

One folder holds one operation: its public function, its reference where torch alone is not the
reference, and its kernels for the CPU (``numba.py``) and GPUs (``triton.py``), which tests hold to
the reference. `bitspike.dispatch` chooses among them. ``runtime`` holds what kernels share.
"""

from importlib import import_module

from bitspike import dispatch
from bitspike.dispatch import BACKENDS, BackendError, check_backend, use_backend
from bitspike.kernels.conv import channels_last
from bitspike.kernels.conv.dense import contiguous_for_torch, convolution
from bitspike.kernels.fused import Current, scan_of_current
from bitspike.kernels.linear import weight_gradient
from bitspike.kernels.norm import BatchNormOnKernels
from bitspike.kernels.poisson import encode_held, encode_poisson
from bitspike.kernels.runtime.buffers import release_buffers
from bitspike.kernels.runtime.constant_input import hold, is_held, once, one_step
from bitspike.kernels.runtime.double_backward import differentiable_again, differentiable_once
from bitspike.kernels.runtime.threads import get_num_threads, set_num_threads
from bitspike.kernels.runtime.weight_cache import keep_prepared
from bitspike.kernels.scan import explain_scan, scan
from bitspike.kernels.scan.operator import describe_step

for _operation in dispatch.IMPLEMENTATIONS:  # define torch.ops.bitspike
    import_module(f"bitspike.kernels.{_operation}.operator")

__all__ = [
    "BACKENDS",
    "BackendError",
    "BatchNormOnKernels",
    "Current",
    "channels_last",
    "check_backend",
    "contiguous_for_torch",
    "convolution",
    "describe_step",
    "differentiable_again",
    "differentiable_once",
    "encode_held",
    "encode_poisson",
    "explain_scan",
    "get_num_threads",
    "hold",
    "is_held",
    "keep_prepared",
    "once",
    "one_step",
    "release_buffers",
    "scan",
    "scan_of_current",
    "set_num_threads",
    "use_backend",
    "weight_gradient",
]
