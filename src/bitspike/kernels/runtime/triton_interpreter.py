"""CUDA's mathematical functions for Triton's interpreter, which knows none: torch's own.

So an interpreted kernel rounds as the eager reference does.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import triton.language as tl
from triton.runtime.interpreter import TensorHandle


def _elementwise(function: Callable[..., torch.Tensor]) -> Callable[..., Any]:
    def apply(*values: Any) -> Any:
        arrays = [torch.from_numpy(value.handle.data) for value in values]
        data = function(*arrays).numpy()
        return tl.core.tensor(TensorHandle(data, values[0].dtype.scalar), values[0].type)

    return apply


_NAMES = ("exp", "log", "sin", "cos", "tanh", "atan", "erf", "erfc", "pow")
libdevice = SimpleNamespace(**{name: _elementwise(getattr(torch, name)) for name in _NAMES})
libdevice.rint = _elementwise(torch.round)
