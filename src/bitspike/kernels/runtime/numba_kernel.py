"""Compile kernels: with one thread or several, cached on disk."""

import logging
import os
import threading
import time
import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numba.core.config
import torch
from numba.np.ufunc.parallel import _launch_threads

from bitspike.kernels.runtime.numba_disk_cache import give_cache
from bitspike.kernels.runtime.numba_entry import Arrays, entry
from bitspike.kernels.runtime.numba_simd import CHECKED
from bitspike.kernels.runtime.thread_choice import MANY_FROM, Pace
from bitspike.kernels.runtime.threads import get_num_threads

Function = Callable[..., Any]

_logger = logging.getLogger("bitspike.kernels")

# OpenMP is the layer that gets on with torch's own threads; the others are there where it is not.
numba.core.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # type: ignore[attr-defined]


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


_CORES = int(numba.core.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


class _Asked(threading.local):
    """How many threads this thread has asked Numba for, who takes 2 microseconds to say it."""

    threads = 0


_asked = _Asked()


def _set_threads(threads: int) -> None:
    if threads != _asked.threads:
        numba.set_num_threads(threads)
        _asked.threads = threads


class Kernel:
    """A template with a parallel and a serial form, each compiled at its first call.

    The parallel form takes at most as many threads as `kernels.get_num_threads` says, and one where
    that was measured to be faster (see `Pace`). A process that was forked after OpenMP has run
    would be killed by its next parallel region: there the serial form runs. All give the same bits,
    since no reduction depends on the number of threads.

    Args:
        template: the kernel, in Python, with ``numba.prange`` for its parallel loop.
        name: what distinguishes this kernel from others of the same template.
        names: the global names of the template that are bound for this kernel.
        arrays: arguments that a call gives as an address and the length of each axis, contiguous.
    """

    def __init__(
        self,
        template: Function,
        name: str = "",
        names: dict[str, Any] | None = None,
        arrays: Arrays | None = None,
    ) -> None:
        self._template, self._names, self._arrays = template, names or {}, arrays
        self._name = "_".join(part for part in (template.__name__, name) if part)
        self._forms: dict[bool, Any] = {}
        self._compiled = False
        self._paces: dict[tuple[int, int], Pace] = {}

    def __call__(self, *args: Any, work: float) -> Any:
        """Runs the kernel.

        Args:
            *args: the template's arguments.
            work: about how many nanoseconds it takes on one thread.
        """
        # An exception must find its way out: with bounds checks there is one thread.
        parallel = not CHECKED and _threads_of_process() == os.getpid()
        form = self._forms.get(parallel)
        if form is None:
            form = self._forms[parallel] = self._compile(parallel)
            if not _on_disk(form):
                _logger.info("compiling the kernel %s", self._name)
        if not parallel:
            return form(*args)
        if work < MANY_FROM:
            _set_threads(1)
            return form(*args)
        most = min(get_num_threads(), _CORES)
        if most == 1 or not self._compiled:  # the first call compiles
            _set_threads(most)
            result = form(*args)
            self._compiled = True
            return result
        key = (most, int(work).bit_length())
        pace = self._paces.get(key)
        if pace is None:
            pace = self._paces[key] = Pace()
        many = pace.with_many()
        _set_threads(most if many else 1)
        start = time.perf_counter()
        result = form(*args)
        pace.took(many, time.perf_counter() - start)
        return result

    def _compile(self, parallel: bool) -> Any:
        name = f"{self._name}_{'parallel' if parallel else 'serial'}"
        code = self._template.__code__.replace(co_name=name, co_qualname=name)
        function = types.FunctionType(code, {**self._template.__globals__, **self._names}, name)
        function.__module__ = self._template.__module__
        function.__qualname__ = name
        options: dict[str, Any] = {"error_model": "numpy", "nogil": True}
        kernel = _jit(function, parallel=parallel, **options)
        if self._arrays is None:
            return kernel
        return _jit(entry(function, kernel, name, self._arrays), **options)


def _jit(function: Function, **options: Any) -> Any:
    dispatcher = numba.njit(function, **options)
    give_cache(dispatcher, function)
    return dispatcher


def specialise(template: Function, dtype: Any, **names: Any) -> Kernel:
    """``template`` for one precision, as the global name ``dtype``, with other names bound."""
    return Kernel(template, dtype.__name__, {**names, "dtype": dtype})
