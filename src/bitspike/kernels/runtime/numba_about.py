"""What there is to say about the compiler: for a user who wonders, and for bug reports."""

from importlib.metadata import version
from typing import Any

import numba
import numba.core.config
from llvmlite import binding

from bitspike.kernels.runtime import numba_kernel


def _anything() -> int:
    return 0


def _cache() -> str | None:
    try:
        path: str | None = numba.njit(cache=True)(_anything).stats.cache_path
    except RuntimeError:  # Numba's word for: no folder to cache in
        return None
    return path


def about() -> dict[str, Any]:
    """Versions, the processor as LLVM knows it, threads, and the folder of the cached kernels.

    The cache is None where no folder can be written.
    """
    numba_kernel._threads_of_process()  # before this no threading layer has been chosen
    return {
        "numba": version("numba"),
        "llvmlite": version("llvmlite"),
        "processor": binding.get_host_cpu_name(),
        "threads": numba.core.config.NUMBA_NUM_THREADS,  # type: ignore[attr-defined]
        "threading_layer": numba.threading_layer(),  # type: ignore[attr-defined]
        "cache": _cache(),
    }
