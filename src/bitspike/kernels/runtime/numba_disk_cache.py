"""Numba's cache of compiled kernels on the disk, which may fail: then a kernel is compiled anew.

A full disk, a folder that cannot be written, and files that a crash or a bad disk has damaged cost
the time of a compilation, and never the call.
"""

import hashlib
import logging
import pickle
import warnings
from collections.abc import Callable
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.serialize import dumps

_logger = logging.getLogger("bitspike.kernels")
_said = False


def _say_once(reason: object) -> None:
    global _said
    if not _said:
        _said = True
        warnings.warn(
            f"bitspike's compiled kernels cannot be cached ({reason}): each new process compiles "
            "them again. Free some space, or set NUMBA_CACHE_DIR to a folder that can be written.",
            stacklevel=2,
        )


class _Checked(CompileResultCacheImpl):
    """Machine code with a checksum, for what is damaged in it would be run."""

    def reduce(self, cres: Any) -> tuple[bytes, bytes]:
        content = dumps(super().reduce(cres))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target_context: Any, payload: tuple[bytes, bytes]) -> Any:
        digest, content = payload
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("the checksum of a cached kernel is wrong")
        return super().rebuild(target_context, pickle.loads(content))  # noqa: S301 -- our own


class KernelCache(FunctionCache):
    """The cache of one kernel."""

    _impl_class = _Checked

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel; None if there is none, or none of use."""
        try:
            return super().load_overload(sig, target_context)
        except OSError as error:
            _say_once(error)
        except Exception as error:  # what a damaged file raises can be anything
            _logger.info("%s is damaged (%s): compiling anew", self._cache_file._index_path, error)
            try:
                self.flush()
            except OSError as failed:
                _say_once(failed)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a compiled kernel, if it can be written."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _say_once(error)


def give_cache(dispatcher: Any, function: Callable[..., Any]) -> None:
    """Let a function that Numba compiles use the cache, if there is a folder for it."""
    try:
        dispatcher._cache = KernelCache(function)
    except (RuntimeError, OSError) as error:  # the first is Numba's word for: no folder
        _say_once(error)
