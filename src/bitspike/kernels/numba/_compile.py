"""Compile kernels: from plain equations, in one precision, cached on disk.

A kernel is written once, as a template whose equations are global names. `specialise` binds them
to functions of `bitspike.dynamics` or of a surrogate and compiles the copy: what runs is the very
source that the eager reference runs.
"""

import hashlib
import logging
import math
import os
import types
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numba.core.config
import numpy as np
import torch
from numba.np.ufunc.parallel import _launch_threads

Function = Callable[..., Any]

_logger = logging.getLogger("bitspike.kernels")

PARALLEL_FROM = 5e5
"""Work in nanoseconds from which a kernel runs on several threads."""

# OpenMP is the layer that gets on with torch's own threads; the others are there where it is not.
numba.core.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # type: ignore[attr-defined]

# -- torch's functions on scalars ---------------------------------------------------------------


def _exp(x: Any) -> Any:
    return math.exp(x)


def _log(x: Any) -> Any:
    return math.log(x)


def _tanh(x: Any) -> Any:
    return math.tanh(x)


def _atan(x: Any) -> Any:
    return math.atan(x)


def _cos(x: Any) -> Any:
    return math.cos(x)


def _sin(x: Any) -> Any:
    return math.sin(x)


def _abs(x: Any) -> Any:
    return abs(x)


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + math.exp(-x))


def _where(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b


_TORCH: dict[str, Function] = {
    "abs": _abs,
    "atan": _atan,
    "cos": _cos,
    "exp": _exp,
    "log": _log,
    "sigmoid": _sigmoid,
    "sin": _sin,
    "tanh": _tanh,
    "where": _where,
}


class NotCompilableError(TypeError):
    """A function is not plain arithmetic, and cannot become part of a compiled kernel."""


def bind(function: Function, dtype: type[np.floating[Any]]) -> Any:
    """``function`` for Numba, with all numbers in it, and torch's functions, in ``dtype``.

    Without this a literal such as ``1.0`` would turn float32 arithmetic into float64.

    Raises:
        NotCompilableError: if it uses something else than arithmetic, `math` and some of `torch`.
    """
    if not isinstance(function, types.FunctionType) or function.__closure__:
        raise NotCompilableError(f"{function!r} is not a plain function")

    def number(value: Any) -> Any:
        return dtype(value) if type(value) in (int, float) else value

    code = function.__code__
    names: dict[str, Any] = {"__name__": function.__module__}
    for name in code.co_names:
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        if value is torch:
            used = {key: bind(_TORCH[key], dtype) for key in code.co_names if key in _TORCH}
            names[name] = _module("torch", used)
        elif value is math:
            names[name] = _module("math", {k: number(v) for k, v in vars(math).items()})
        elif isinstance(value, types.FunctionType):
            names[name] = bind(value, dtype)
        else:
            names[name] = number(value)
    copy = types.FunctionType(
        code.replace(co_consts=tuple(number(value) for value in code.co_consts)),
        names,
        function.__name__,
    )
    return numba.njit(copy)


def _module(name: str, content: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(content)
    return module


def _digest(functions: list[Any]) -> str:
    """A name for what ``functions`` compute, so that the cache notices when one changes."""
    text = hashlib.sha256()
    for function in functions:
        code = function.__code__
        text.update(repr((code.co_code, code.co_consts, code.co_names)).encode())
    return text.hexdigest()[:12]


# -- kernels ------------------------------------------------------------------------------------


@cache
def _threads_of_process() -> int:
    """Starts Numba's threads and returns the process that they belong to, in a fork its parent.

    Where both use the same OpenMP, Numba's start sets the number of torch's threads as well: it
    is put back.
    """
    threads = torch.get_num_threads()
    _launch_threads()
    torch.set_num_threads(threads)
    return os.getpid()


def _on_disk(form: Any) -> bool:
    """Whether Numba's cache has something for a compiled form, probably what is wanted."""
    index = getattr(getattr(form._cache, "_cache_file", None), "_index_path", None)
    return index is not None and os.path.exists(index)  # noqa: PTH110 -- a string of Numba's


class Kernel:
    """A template with a parallel and a serial form, each compiled at its first call.

    The parallel form obeys ``torch.set_num_threads``, but takes one thread for little work: to
    wait for the last of several threads costs milliseconds where another process holds a core.
    A process that was forked after OpenMP has run would be killed by its next parallel region:
    there the serial form runs. All give the same bits, since no reduction depends on the number
    of threads.

    Args:
        template: the kernel, in Python, with ``numba.prange`` for its parallel loop.
        name: what distinguishes this kernel from others of the same template.
        names: the global names of the template that are bound for this kernel.
    """

    def __init__(
        self, template: Function, name: str = "", names: dict[str, Any] | None = None
    ) -> None:
        self._template, self._names = template, names or {}
        self._name = "_".join(part for part in (template.__name__, name) if part)
        self._forms: dict[bool, Any] = {}

    def __call__(self, *args: Any, work: float) -> Any:
        """Runs the kernel.

        Args:
            *args: the template's arguments.
            work: about how many nanoseconds it takes on one thread.
        """
        parallel = _threads_of_process() == os.getpid()
        if parallel:
            threads = torch.get_num_threads() if work >= PARALLEL_FROM else 1
            threads = min(threads, numba.core.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
            if threads != numba.get_num_threads():
                numba.set_num_threads(threads)
        form = self._forms.get(parallel)
        if form is None:
            form = self._forms[parallel] = self._compile(parallel)
            if not _on_disk(form):
                _logger.info("compiling the kernel %s", self._name)
        return form(*args)

    def _compile(self, parallel: bool) -> Any:
        name = f"{self._name}_{'parallel' if parallel else 'serial'}"
        code = self._template.__code__.replace(co_name=name, co_qualname=name)
        function = types.FunctionType(code, {**self._template.__globals__, **self._names}, name)
        function.__module__ = self._template.__module__
        function.__qualname__ = name
        options: dict[str, Any] = {"parallel": parallel, "error_model": "numpy", "nogil": True}
        try:
            return numba.njit(function, cache=True, **options)
        except RuntimeError as error:  # Numba's word for: no folder to cache in
            warnings.warn(
                f"bitspike's compiled kernels cannot be cached ({error}): each new process "
                "compiles them again. Set NUMBA_CACHE_DIR to a folder that can be written.",
                stacklevel=2,
            )
            return numba.njit(function, **options)


def specialise(
    template: Function,
    name: str,
    dtype: type[np.floating[Any]],
    equations: dict[str, Function],
    **constants: Any,
) -> Kernel:
    """A kernel from ``template``, with its equations and constants bound.

    Args:
        template: the kernel, in Python, with ``numba.prange`` for its parallel loop.
        name: what distinguishes this combination from others.
        dtype: precision of all numbers in the equations.
        equations: global names of the template, and the functions that they stand for.
        **constants: global names of the template, and their values.

    Raises:
        NotCompilableError: if an equation is not plain arithmetic.
    """
    bound = {key: bind(function, dtype) for key, function in equations.items()}
    values = [(k, getattr(v, "__name__", v)) for k, v in sorted(constants.items())]
    key = hashlib.sha256(
        repr((_digest(list(equations.values())), values, dtype)).encode()
    ).hexdigest()[:12]
    return Kernel(template, f"{name}_{key}", {**bound, **constants, "dtype": dtype})
