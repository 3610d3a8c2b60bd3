"""Kernels of the scan that Python runs as they are written: slow, but never compiled."""

import ctypes
import math
from typing import Any

import numpy as np
import pytest

from bitspike.kernels.runtime import numba_kernel
from bitspike.kernels.scan import numba as fast
from bitspike.kernels.scan import numba_source
from bitspike.kernels.scan.record import KernelStore


class Interpreted(numba_kernel.Kernel):
    """A kernel that Python runs as it is written: slow, but without a compilation."""

    def compile(self, parallel: bool) -> Any:  # noqa: ARG002
        form = numba_kernel.entry(self.template, self.template, self.name, self.arrays)
        form.__globals__["array_at"] = array_at

        def run(*args: Any) -> None:
            with np.errstate(all="ignore"):
                form(*args)

        return run


def array_at(address: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """What the kernels' own does, in Python."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = (ctypes.c_byte * size).from_address(address) if size else b""
    return np.frombuffer(memory, dtype).reshape(shape)


def interpret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Python run Numba's kernels of the scan."""
    monkeypatch.setattr(numba_source, "Kernel", Interpreted)
    monkeypatch.setattr(fast, "store", KernelStore(fast.make_kernel, fast.numbers_array))
    for name in ("exp", "log", "sqrt", "sin", "cos", "tanh"):  # Python's own would raise
        monkeypatch.setitem(numba_source.FUNCTIONS, name, getattr(np, name))
