"""Kernels from source text: compiled by Triton, or interpreted."""

import hashlib
import linecache
import os
from collections.abc import Callable
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.compiler.compiler import make_backend
from triton.language.extra import libdevice

WARPS = 4


def interpreting() -> bool:
    """Return whether kernels made now are interpreted: what the environment says to Triton."""
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes", "y")


def function_of(text: str) -> Any:
    """Return the last function that ``text`` defines, for Triton to compile or to interpret.

    Triton reads a kernel's source by way of Python's cache of source lines: there the text is put,
    under a name that tells it from every other. The machine code Triton keeps on the disk, by what
    is in the text.
    """
    name = f"<bitspike {hashlib.sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"__name__": __name__, "tl": tl}
    names["libdevice"] = _interpreted_libdevice() if interpreting() else libdevice
    exec(compile(text, name, "exec"), names)  # noqa: S102 -- the text is made by `_scan_source`
    made = [key for key, value in names.items() if isinstance(value, FunctionType)]
    for key in made[:-1]:  # those that it calls
        names[key] = triton.jit(names[key])
    return triton.jit(names[made[-1]], do_not_specialize=["T"])


@cache
def _interpreted_libdevice() -> Any:
    """Return CUDA's mathematical functions for Triton's interpreter, which knows none: torch's own.

    So an interpreted kernel rounds as the eager reference does.
    """
    from triton.runtime.interpreter import TensorHandle

    def elementwise(function: Callable[..., Tensor]) -> Callable[..., Any]:
        def apply(*values: Any) -> Any:
            data = function(*(torch.from_numpy(value.handle.data) for value in values)).numpy()
            return tl.core.tensor(TensorHandle(data, values[0].dtype.scalar), values[0].type)

        return apply

    names = ("exp", "log", "sin", "cos", "tanh", "atan", "erf", "erfc", "pow")
    functions = {name: elementwise(getattr(torch, name)) for name in names}
    return SimpleNamespace(**functions, rint=elementwise(torch.round))


@cache
def options(target: Any = None) -> dict[str, Any]:
    """Return how to launch: each operation is to be rounded by itself.

    Args:
        target: for which GPU; None for the current one.
    """
    compiler = make_backend(target or triton.runtime.driver.active.get_current_target())
    known = type(compiler.parse_options({})).__dataclass_fields__
    wanted = {"num_warps": WARPS, "enable_fp_fusion": False, "enable_reflect_ftz": False}
    return {name: value for name, value in wanted.items() if name in known}


@cache
def obstacle_of(device: torch.device) -> str | None:
    """Return why Triton cannot compile for a GPU; None if it can."""
    try:
        options()
        capability = torch.cuda.get_device_capability(device)
    except Exception as error:  # whatever a missing driver or C compiler raises
        return f"Triton cannot use {device}: {type(error).__name__}: {error}".split("\n")[0]
    if torch.version.hip is None and capability < (7, 0):
        return f"Triton needs a GPU of compute capability 7.0, {device} has {capability}"
    return None


class Kernel:
    """A kernel whose programs share ``M`` neurons among them, ``BLOCK`` each."""

    def __init__(self, text: str) -> None:
        self.text, self.interpreted = text, interpreting()
        self.function = function_of(text)

    def __call__(self, M: int, block: int, *args: Any, **constants: Any) -> None:
        """Run the kernel on the device of its first argument, in torch's current stream."""
        if M == 0:
            return
        x: Tensor = args[0]
        grid = (-(-M // block),)
        if self.interpreted:
            with np.errstate(all="ignore"):  # as on a GPU
                self.function[grid](*args, **constants, BLOCK=block)
            return
        with torch.cuda.device(x.device):
            self.function[grid](*args, **constants, **options(), BLOCK=block)
