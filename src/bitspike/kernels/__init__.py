"""The engine: time loops, encoders and layers on spikes, forward and backward.

One folder holds one operation: its public function, its reference where torch alone is not the
reference, and its kernels for the CPU (``numba.py``) and GPUs (``triton.py``), which tests hold to
the reference. `bitspike.dispatch` chooses among them. ``runtime`` holds what kernels share.
"""

from importlib import import_module
from typing import Any

import torch

from bitspike.dispatch import BACKENDS, IMPLEMENTATIONS, BackendError, check_backend, use_backend
from bitspike.kernels.conv import channels_last
from bitspike.kernels.conv.dense import contiguous_for_torch, convolution
from bitspike.kernels.fused import Current, scan_of_current
from bitspike.kernels.linear import weight_gradient
from bitspike.kernels.norm import BatchNormOnKernels
from bitspike.kernels.poisson import encode_held, encode_poisson
from bitspike.kernels.runtime.constant_input import (
    constant_step,
    is_constant,
    one_step,
    repeat_step,
)
from bitspike.kernels.runtime.double_backward import differentiable_again, differentiable_once
from bitspike.kernels.runtime.memory import release_buffers
from bitspike.kernels.runtime.threads import get_num_threads, set_num_threads
from bitspike.kernels.runtime.weight_cache import keep_prepared
from bitspike.kernels.scan import explain_scan, scan
from bitspike.kernels.scan.operator import describe_step

for _operation in IMPLEMENTATIONS:  # define torch.ops.bitspike
    import_module(f"bitspike.kernels.{_operation}.operator")


def describe_numba() -> dict[str, Any]:
    """Return versions, processor, threads and cache folder of Numba, for bug reports."""
    facts: dict[str, Any] = import_module("bitspike.kernels.runtime.numba_kernel").about()
    return facts


def triton_unsupported(device: torch.device) -> str | None:
    """Return why Triton cannot compile for a GPU; None if it can."""
    triton = import_module("bitspike.kernels.runtime.triton_kernel")
    reason: str | None = triton.obstacle_of(device)
    return reason


__all__ = [
    "BACKENDS",
    "BackendError",
    "BatchNormOnKernels",
    "Current",
    "channels_last",
    "check_backend",
    "constant_step",
    "contiguous_for_torch",
    "convolution",
    "describe_numba",
    "describe_step",
    "differentiable_again",
    "differentiable_once",
    "encode_held",
    "encode_poisson",
    "explain_scan",
    "get_num_threads",
    "is_constant",
    "keep_prepared",
    "one_step",
    "release_buffers",
    "repeat_step",
    "scan",
    "scan_of_current",
    "set_num_threads",
    "triton_unsupported",
    "use_backend",
    "weight_gradient",
]
