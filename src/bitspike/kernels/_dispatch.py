"""Which backend runs: the one that was asked for, or with ``'auto'`` the fastest that can."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec

import torch

BACKENDS = ("auto", "eager", "numba")

_current: ContextVar[str] = ContextVar("bitspike_backend", default="auto")


class BackendError(RuntimeError):
    """The backend that was asked for cannot run this."""


def check_backend(name: str) -> str:
    """``name``, if it is one of `BACKENDS`.

    Raises:
        ValueError: if it is not.
    """
    if name not in BACKENDS:
        raise ValueError(f"the backend must be one of {', '.join(BACKENDS)}, but got {name!r}")
    return name


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """While entered, what asks for ``'auto'`` gets ``name``."""
    token = _current.set(check_backend(name))
    try:
        yield
    finally:
        _current.reset(token)


@cache
def _installed(package: str) -> bool:
    return find_spec(package) is not None


def _obstacle_anywhere() -> str | None:
    """Why no kernel can run here, whatever it is; None if one can."""
    if not _installed("numba"):
        return "numba is not installed: pip install numba"
    if torch._C._are_functorch_transforms_active():
        return "torch.func's transforms (grad, vmap, ...) cannot look into kernels"
    return None


def choose(asked: str, obstacle: Callable[[], str | None]) -> str:
    """The backend to run.

    Args:
        asked: one of `BACKENDS`. ``'auto'`` goes by `use_backend`, then by the environment
            variable ``BITSPIKE_BACKEND``.
        obstacle: says why Numba's kernel cannot run here; None if it can. Only called if needed.

    Raises:
        BackendError: if ``'numba'`` was asked for and cannot run.
    """
    if asked == "auto":
        asked = _current.get()
    if asked == "auto":
        asked = check_backend(os.environ.get("BITSPIKE_BACKEND", "auto"))
    if asked == "eager":
        return "eager"
    why = _obstacle_anywhere() or obstacle()
    if why is None:
        return "numba"
    if asked == "numba":
        raise BackendError(f"the backend 'numba' was asked for and cannot run: {why}")
    return "eager"
