"""Which backend runs: the one that was asked for, or with ``'auto'`` the fastest that can."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from bitspike.spikes import SpikeTensor

BACKENDS = ("auto", "eager", "numba", "triton")

_CURES = {
    "numba": "pip install numba",
    "triton": "pip install triton, of which there are builds for Linux",
}

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


def _obstacle_anywhere(kernel: str) -> str | None:
    """Why none of these kernels can run here, whatever it is; None if one can."""
    if not _installed(kernel):
        return f"{kernel} is not installed: {_CURES[kernel]}"
    return tracer()


def tracer() -> str | None:
    """Who watches torch's operations in place of computing with memory; None if nobody does."""
    if torch._C._are_functorch_transforms_active():
        return "torch.func's transforms (grad, vmap, ...) cannot look into kernels"
    if torch.compiler.is_compiling():
        return "torch.compile cannot look into kernels"
    if torch._C._get_tracing_state() is not None:
        return "torch.jit.trace cannot look into kernels"
    if torch._C._len_torch_dispatch_stack() > 0:
        return "a dispatch mode, such as FakeTensorMode or make_fx's, cannot look into kernels"
    return None


_WITH_MEMORY = frozenset({Tensor, nn.Parameter, SpikeTensor})


def obstacle_of(*tensors: Tensor | None) -> str | None:
    """Why kernels cannot read some of these tensors; None if they can.

    A subclass of ``Tensor`` may be a wrapper that has no memory of its own, or mean something by
    each of torch's operations.
    """
    for one in tensors:
        if one is None:
            continue
        if type(one) not in _WITH_MEMORY:
            return f"a {type(one).__name__} is not a plain tensor"
        if one.layout is not torch.strided:
            return f"a tensor is {one.layout}"
        if one.is_neg():
            return "a tensor has torch's negative bit: call resolve_neg() on it"
    return None


def in_memory(x: Any) -> Any:
    """``x`` as its memory says: a view such as ``z.conj().imag`` is the negative of that."""
    if x is None or not x.is_neg():
        return x
    held = x.ndim > 0 and x.stride(0) == 0
    return x[:1].resolve_neg().expand(x.shape) if held else x.resolve_neg()


def resolve(asked: str) -> str:
    """What ``'auto'`` stands for here, by `use_backend`, then by ``BITSPIKE_BACKEND``."""
    if asked == "auto":
        asked = _current.get()
    if asked == "auto":
        asked = check_backend(os.environ.get("BITSPIKE_BACKEND", "auto"))
    return asked


def permits(kernel: str, asked: str = "auto") -> bool:
    """Whether ``kernel`` may take over what can be done without; so nothing is raised if not."""
    return resolve(asked) in ("auto", kernel) and _obstacle_anywhere(kernel) is None


def choose(asked: str, obstacle: Callable[[], str | None], kernel: str = "numba") -> str:
    """The backend to run.

    Args:
        asked: one of `BACKENDS`; see `resolve` for ``'auto'``. The name of another backend than
            ``kernel`` has no kernel for this operation, so that plain PyTorch runs it.
        obstacle: says why the kernel cannot run here; None if it can. Only called if needed.
        kernel: the backend of the kernel in question, ``'numba'`` or ``'triton'``.

    Raises:
        BackendError: if ``kernel`` was asked for by name and cannot run.
    """
    asked = resolve(asked)
    if asked not in ("auto", kernel):
        return "eager"
    why = _obstacle_anywhere(kernel) or obstacle()
    if why is None:
        return kernel
    if asked == kernel:
        raise BackendError(f"the backend {kernel!r} was asked for and cannot run: {why}")
    return "eager"
