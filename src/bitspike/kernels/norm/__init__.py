"""Batch norm on the engine's kernels."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

from bitspike import dispatch
from bitspike.spikes import SpikeTensor


def _batch_norm(
    x: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """Return ``F.batch_norm``, or NotImplemented where torch has to compute it."""
    if not training or isinstance(x, SpikeTensor) or torch.compiler.is_compiling():
        return NotImplemented
    parameters = [t for t in (weight, bias, running_mean, running_var) if t is not None]
    if len(parameters) % 2 or (weight is None) != (bias is None):
        return NotImplemented
    kernels = dispatch.available("norm", x, *parameters)
    if kernels is None:
        return NotImplemented  # torch computes, or says what is wrong
    running = None if running_mean is None else (running_mean, running_var)
    return kernels.batch_norm(x, weight, bias, running, momentum, eps)


class BatchNormOnKernels(TorchFunctionMode):
    """While entered, ``F.batch_norm`` of a dense batch runs on kernels where it can."""

    def __torch_function__(
        self, func: Any, kinds: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run ``func``, on kernels if it is batch norm."""
        result = NotImplemented
        if func is F.batch_norm:
            result = _batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if result is NotImplemented else result
