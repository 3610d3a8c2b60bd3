"""The kernels of a recorded step, each made at its first use and kept by the step's structure."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bitspike.kernels._plan import Plan
from bitspike.kernels._record import KernelStore
from bitspike.kernels.numba import _fused_source, _scan_source
from bitspike.kernels.numba._compile import Kernel
from bitspike.kernels.numba._scan_source import Source


class Kernels:
    """The kernels of a plan in one precision."""

    def __init__(self, plan: Plan, dtype: Any) -> None:
        self.plan, self.dtype = plan, dtype
        self._made: dict[str, Kernel] = {}

    def forward(self, bits: bool) -> Kernel:
        """The scan over T."""
        return self._kernel(f"bits{bits}", lambda: _scan_source.forward_source(self.plan, bits))

    def backward(self, held: bool) -> Kernel:
        """The gradients' way back."""
        name = f"backward{held}"
        return self._kernel(name, lambda: _scan_source.backward_source(self.plan, held))

    def fused_forward(self) -> Kernel:
        """A linear layer and the scan over T."""
        return self._kernel("fused forward", lambda: _fused_source.forward_source(self.plan))

    def fused_backward(self) -> Kernel:
        """The gradients' way back through both."""
        return self._kernel("fused backward", lambda: _fused_source.backward_source(self.plan))

    def _kernel(self, name: str, source: Callable[[], Source]) -> Kernel:
        kernel = self._made.get(name)
        if kernel is None:
            made = source()
            function = made.function(self.dtype)
            arrays = {one: made.arrays.get(one, (self.dtype, 1)) for one in made.tensors}
            text = f"{made.text}{sorted(made.constants.items())}{self.dtype}"
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            kernel = self._made[name] = Kernel(function, digest, arrays=arrays)
        return kernel


def _array(numbers: list[Any], dtype: Any) -> Any:
    return np.array([float(value) for value in numbers], dtype)


store = KernelStore(Kernels, _array)
