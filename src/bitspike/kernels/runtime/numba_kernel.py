"""Kernels for the CPU: compiled by Numba for one thread or several, called with torch's tensors."""

import inspect
import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numba
import numba.core.config
import numpy as np
import torch
from llvmlite import binding
from numba import carray, njit, types  # type: ignore[attr-defined]
from numba.extending import intrinsic
from numba.np.ufunc.parallel import _launch_threads
from torch import Tensor

from bitspike.kernels.runtime.memory import SLACK, span
from bitspike.kernels.runtime.numba_disk_cache import give_cache
from bitspike.kernels.runtime.numba_simd import CHECKED
from bitspike.kernels.runtime.threads import ThreadChoice, get_num_threads

Function = Callable[..., Any]

_logger = logging.getLogger("bitspike.kernels")

# OpenMP is the layer that gets on with torch's own threads; the others are there where it is not.
numba.core.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # type: ignore[attr-defined]

_CORES = int(numba.core.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
_PARALLEL_FROM = 4e4  # work in nanoseconds below which one thread is always right
_NOTHING = (0, 0)  # address and length
_TYPES = {
    "f32": (torch.float32, np.float32),
    "f64": (torch.float64, np.float64),
    "i32": (torch.int32, np.int32),
    "i64": (torch.int64, np.int64),
    "u64": (torch.int64, np.uint64),
}


# -- arrays by their address --------------------------------------------------------------------


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.voidptr(address), generate


@njit(inline="always")
def array_at(address: Any, shape: Any, dtype: Any) -> Any:
    """Return the values that lie there as an array that does not keep them alive."""
    return carray(_pointer(address), shape, dtype)


class _Array(NamedTuple):
    """An array argument of a kernel; without axes it is the memory from first to last element."""

    dtype: torch.dtype
    element: Any
    axes: tuple[str, ...]
    slack: int  # elements that may be read beyond the last one
    shared: tuple[tuple[int, str], ...]  # the axes that other arrays have, too

    def refuse(self, x: Tensor) -> None:
        wanted = f"a contiguous tensor [{', '.join(self.axes)}]" if self.axes else "a tensor"
        raise ValueError(
            f"a compiled kernel takes {wanted} of {self.dtype} in the memory of the CPU, but got "
            f"{x.dtype} {tuple(x.shape)} with strides "
            f"{x.stride() if x.layout is torch.strided else None} on {x.device}"
        )

    def locate(self, x: Tensor, sizes: dict[str, int]) -> tuple[int, ...]:
        """Return the address of ``x`` and its lengths; axes of the same name have the same length.

        Raises:
            ValueError: unless ``x`` is on the CPU and of this dtype, with these axes.
        """
        contiguous = x.is_contiguous()
        address = x.data_ptr() if x.is_cpu else 0
        if x.dtype is not self.dtype or (address == 0 and (not x.is_cpu or x.numel() > 0)):
            self.refuse(x)
        if not self.axes:
            return address, (x.numel() if contiguous else span(x)) + self.slack
        shape = x.shape
        if len(shape) != len(self.axes) or not contiguous:
            self.refuse(x)
        for place, axis in self.shared:
            if sizes.setdefault(axis, shape[place]) != shape[place]:
                self.refuse(x)
        return address, *shape


def _parse(arrays: str) -> dict[str, _Array]:
    declared = re.findall(r"(\w+) (\w+)\[(.*?)\]", arrays)
    names = Counter(axis for *_, axes in declared for axis in axes.split(", "))
    parsed = {}
    for name, kind, text in declared:
        axes = tuple(text.split(", ")) if text.strip("+") else ()
        shared = tuple((place, axis) for place, axis in enumerate(axes) if names[axis] > 1)
        parsed[name] = _Array(*_TYPES[kind], axes, SLACK if text == "+" else 0, shared)
    return parsed


def entry(template: Function, kernel: Any, name: str, arrays: dict[str, _Array]) -> FunctionType:
    """Return a function that calls ``kernel`` with arrays made of their addresses and lengths.

    A number costs a call a tenth of what an array costs. Arrays that Numba sees a parallel kernel
    make, instead of take, would be lost on its optimiser, which removes what writes into them.
    """
    given, taken = [], []
    for argument in inspect.signature(template).parameters:
        if argument not in arrays:
            given.append(argument)
            taken.append(argument)
            continue
        lengths = [f"{argument}_length{axis}" for axis in range(len(arrays[argument].axes) or 1)]
        given += [argument, *lengths]
        taken.append(f"array_at({argument}, ({', '.join(lengths)},), type_of_{argument})")
    text = f"def entry_{name}({', '.join(given)}):\n    return call_kernel({', '.join(taken)})\n"
    names = {f"type_of_{argument}": array.element for argument, array in arrays.items()}
    names |= {"call_kernel": kernel, "array_at": array_at, "__name__": template.__module__}
    return function_of(text, template.__code__.co_filename, names)


def function_of(text: str, file: str, names: dict[str, Any]) -> FunctionType:
    """Return the function that ``text`` defines; Numba keeps its cache beside ``file``."""
    module = compile(text, file, "exec")
    code = next(part for part in module.co_consts if isinstance(part, CodeType))
    return FunctionType(code, names)


# -- threads ------------------------------------------------------------------------------------


@cache
def _threads_of_process() -> int:
    """Start Numba's threads and return the process that they belong to, in a fork its parent.

    Where both use the same OpenMP, Numba's start sets the number of torch's threads as well: it
    is put back.
    """
    threads = torch.get_num_threads()
    _launch_threads()
    torch.set_num_threads(threads)
    return os.getpid()


@cache
def _layer_is_thread_safe() -> bool:
    return bool(numba.threading_layer() != "workqueue")  # type: ignore[attr-defined]


def _may_run_parallel() -> bool:
    """Return whether this thread of this process may enter a parallel region.

    Numba's own layer ends the process where two threads do so at once: there only the main one may.
    """
    if CHECKED or _threads_of_process() != os.getpid():
        return False
    return _layer_is_thread_safe() or threading.current_thread() is threading.main_thread()


class _Current(threading.local):
    """The number of threads that this thread has told Numba, which costs 2 microseconds."""

    threads = 0


_current = _Current()


def _set_threads(threads: int) -> None:
    if threads != _current.threads:
        numba.set_num_threads(threads)
        _current.threads = threads


# -- kernels ------------------------------------------------------------------------------------


class Kernel:
    """A template with a parallel and a serial form, each compiled at its first call.

    The parallel form takes at most as many threads as `kernels.get_num_threads` says, and one where
    that was measured to be faster. A process that was forked after OpenMP has run would be killed
    by its next parallel region: there the serial form runs, as on threads beside the main one where
    Numba has no layer but its own. All give the same bits, since no
    reduction depends on the number of threads.

    Args:
        template: the kernel, in Python, with ``numba.prange`` for its parallel loop.
        arrays: the array arguments, such as ``"x f32[B, I], seen u64[]"``. A call gives a
            contiguous tensor for each, or any tensor or None for one without axes, which has
            `SLACK` elements to spare for ``[+]``. Axes of the same name have the same length.
        name: distinguishes this kernel from others of the same template.
        names: the global names of the template that are bound for this kernel.
    """

    def __init__(
        self,
        template: Function,
        arrays: str = "",
        name: str = "",
        names: dict[str, Any] | None = None,
    ) -> None:
        self.template, self.arrays = template, _parse(arrays)
        self.name = "_".join(part for part in (template.__name__, name) if part)
        self._names = names or {}
        self._arguments = [self.arrays.get(a) for a in inspect.signature(template).parameters]
        self._forms: dict[bool, Any] = {}
        self._compiled = False
        self._choices: dict[tuple[int, int], ThreadChoice] = {}

    def __call__(self, *args: Any, work: float) -> Any:
        """Run the kernel.

        Args:
            *args: the template's arguments.
            work: about how many nanoseconds it takes on one thread.
        """
        sizes: dict[str, int] = {}
        located: list[Any] = []
        for array, value in zip(self._arguments, args, strict=True):
            if array is None:
                located.append(value)
            elif value is None and not array.axes:
                located += _NOTHING
            else:
                located += array.locate(value, sizes)
        # An exception must find its way out: with bounds checks there is one thread.
        parallel = _may_run_parallel()
        form = self._forms.get(parallel)
        if form is None:
            form = self._forms[parallel] = self.compile(parallel)
        if not parallel:
            return form(*located)
        if work < _PARALLEL_FROM:
            _set_threads(1)
            return form(*located)
        most = min(get_num_threads(), _CORES)
        if most == 1 or not self._compiled:  # the first call compiles
            _set_threads(most)
            result = form(*located)
            self._compiled = True
            return result
        key = (most, int(work).bit_length())
        choice = self._choices.get(key)
        if choice is None:
            choice = self._choices[key] = ThreadChoice()
        many = choice.with_many()
        _set_threads(most if many else 1)
        start = time.perf_counter()
        result = form(*located)
        choice.took(many, time.perf_counter() - start)
        return result

    def compile(self, parallel: bool) -> Any:
        """Return the compiled form, which takes each array as its address and lengths."""
        name = f"{self.name}_{'parallel' if parallel else 'serial'}"
        template = self.template
        code = template.__code__.replace(co_name=name, co_qualname=name)
        function = FunctionType(code, {**template.__globals__, **self._names}, name)
        function.__module__ = template.__module__
        function.__qualname__ = name
        options: dict[str, Any] = {"error_model": "numpy", "nogil": True}
        kernel = _jit(function, parallel=parallel, **options)
        form = kernel
        if self.arrays:
            form = _jit(entry(function, kernel, name, self.arrays), **options)
        index = getattr(getattr(form._cache, "_cache_file", None), "_index_path", None)
        if index is None or not os.path.exists(index):  # noqa: PTH110 -- a string of Numba's
            _logger.info("compiling the kernel %s", self.name)
        return form


def _jit(function: Function, **options: Any) -> Any:
    dispatcher = numba.njit(function, **options)
    give_cache(dispatcher, function)
    return dispatcher


def precisions(
    template: Function, arrays: str, **names: tuple[Any, Any]
) -> dict[torch.dtype, Kernel]:
    """Return the kernels of a template for float32 and float64.

    Args:
        template: uses the global name ``dtype`` for the precision.
        arrays: see `Kernel`, with ``real`` for the precision.
        **names: other global names of the template, bound for float32 and for float64.
    """
    kernels = {}
    for k, kind in enumerate(("f32", "f64")):
        tensors, numbers = _TYPES[kind]
        bound = {name: pair[k] for name, pair in names.items()} | {"dtype": numbers}
        spec = arrays.replace("real[", f"{kind}[")
        kernels[tensors] = Kernel(template, spec, numbers.__name__, bound)
    return kernels


# -- for bug reports ----------------------------------------------------------------------------


def _nothing() -> int:
    return 0


def about() -> dict[str, Any]:
    """Return versions, LLVM's name of the processor, threads, and the folder of cached kernels.

    The cache is None where no folder can be written.
    """
    _threads_of_process()  # before this no threading layer has been chosen
    try:
        cache_folder = numba.njit(cache=True)(_nothing).stats.cache_path
    except RuntimeError:  # raised by Numba if there is no folder to cache in
        cache_folder = None
    return {
        "numba": version("numba"),
        "llvmlite": version("llvmlite"),
        "processor": binding.get_host_cpu_name(),
        "threads": _CORES,
        "threading_layer": numba.threading_layer(),  # type: ignore[attr-defined]
        "cache": cache_folder,
    }
