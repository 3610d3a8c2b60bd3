"""Which implementation of an operation runs.

`IMPLEMENTATIONS` names the module of each operation and backend. A module is imported when it is
first chosen. Each one has a function ``unsupported(...)``, which returns the reason why it cannot
run with these arguments, or None, and the functions that compute the operation. Where the table has
no ``eager`` module, torch's own operations are the reference.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812

Function = TypeVar("Function", bound=Callable[..., Any])

BACKENDS = ("auto", "eager", "numba", "triton")

IMPLEMENTATIONS: dict[str, dict[str, str]] = {
    "bits": {"numba": "bitspike.kernels.bits.numba"},
    "conv": {"numba": "bitspike.kernels.conv.numba"},
    "fused": {"numba": "bitspike.kernels.fused.numba"},
    "linear": {"numba": "bitspike.kernels.linear.numba"},
    "norm": {"numba": "bitspike.kernels.norm.numba"},
    "poisson": {
        "eager": "bitspike.kernels.poisson.reference",
        "numba": "bitspike.kernels.poisson.numba",
    },
    "pool": {"numba": "bitspike.kernels.pool.numba"},
    "scan": {
        "eager": "bitspike.kernels.scan.reference",
        "numba": "bitspike.kernels.scan.numba",
        "triton": "bitspike.kernels.scan.triton",
    },
}

SPIKE_FUNCTIONS: dict[Callable[..., Any], tuple[str, str]] = {
    F.linear: ("bitspike.kernels.linear", "linear"),
    F.conv1d: ("bitspike.kernels.conv", "conv1d"),
    F.conv2d: ("bitspike.kernels.conv", "conv2d"),
    F.conv3d: ("bitspike.kernels.conv", "conv3d"),
    F.max_pool1d: ("bitspike.kernels.pool", "max_pool1d"),
    F.max_pool2d: ("bitspike.kernels.pool", "max_pool2d"),
    torch.max_pool1d: ("bitspike.kernels.pool", "max_pool1d"),
    torch.max_pool2d: ("bitspike.kernels.pool", "max_pool2d"),
    F.avg_pool2d: ("bitspike.kernels.pool", "avg_pool2d"),
    F.adaptive_avg_pool1d: ("bitspike.kernels.pool", "adaptive_avg_pool1d"),
    F.adaptive_avg_pool2d: ("bitspike.kernels.pool", "adaptive_avg_pool2d"),
    F.adaptive_avg_pool3d: ("bitspike.kernels.pool", "adaptive_avg_pool3d"),
}
"""Functions of torch that have kernels for a `SpikeTensor`: module and name of each.

Such a function returns NotImplemented where torch has to compute with the unpacked tensor.
"""

_CURES = {
    "numba": "pip install numba",
    "triton": "pip install triton, of which there are builds for Linux",
}

_transforms = torch._C._are_functorch_transforms_active
_tracing_state = torch._C._get_tracing_state
_dispatch_modes = torch._C._len_torch_dispatch_stack

_current: ContextVar[str] = ContextVar("bitspike_backend", default="auto")


class BackendError(RuntimeError):
    """The requested backend cannot run this operation."""


def check_backend(name: str) -> str:
    """Return ``name`` if it is one of `BACKENDS`.

    Raises:
        ValueError: if it is not.
    """
    if name not in BACKENDS:
        raise ValueError(f"the backend must be one of {', '.join(BACKENDS)}, but got {name!r}")
    return name


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Use the backend ``name`` inside the block wherever ``'auto'`` is requested."""
    token = _current.set(check_backend(name))
    try:
        yield
    finally:
        _current.reset(token)


def resolve(requested: str = "auto") -> str:
    """Return the backend that ``'auto'`` stands for: `use_backend`, then ``BITSPIKE_BACKEND``."""
    if requested == "auto":
        requested = _current.get()
    if requested == "auto":
        requested = os.environ.get("BITSPIKE_BACKEND", "auto")
        if requested != "auto":
            check_backend(requested)
    return requested


def constant_while_compiling(function: Function) -> Function:
    """Let ``torch.compile`` call ``function`` once, as it is, and take the result for a constant.

    The same as ``torch.compiler.assume_constant_result``, which imports the whole of Dynamo.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


@cache
def implementation(operation: str, backend: str) -> Any:
    """Return the module that implements ``operation``; None if the table names none."""
    module = IMPLEMENTATIONS[operation].get(backend)
    return None if module is None else import_module(module)


@cache
def deferred(module: str, name: str) -> Callable[..., Any]:
    """Return a function that calls ``module.name`` and imports it at the first call."""

    @cache
    def target() -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function

    return lambda *args, **kwargs: target()(*args, **kwargs)


@cache
def _installed(package: str) -> bool:
    return find_spec(package) is not None


def tracer() -> str | None:
    """Return which tracer records torch's operations instead of computing; None if there is none.

    Kernels read memory, which a traced tensor does not have.
    """
    if _transforms():
        return "torch.func's transforms (grad, vmap, ...) cannot look into kernels"
    if torch.compiler.is_compiling():
        return "torch.compile cannot look into kernels"
    if _tracing_state() is not None:
        return "torch.jit.trace cannot look into kernels"
    if _dispatch_modes() > 0:
        return "a dispatch mode, such as FakeTensorMode or make_fx's, cannot look into kernels"
    return None


def _load(operation: str, backend: str, args: tuple[Any, ...]) -> tuple[Any, str | None]:
    """Return the module of a compiled backend, or None and why it cannot run."""
    if not _installed(backend):
        return None, f"{backend} is not installed: {_CURES[backend]}"
    reason: str | None = tracer()
    if reason is None:
        module = implementation(operation, backend)
        reason = module.unsupported(*args)
        if reason is None:
            return module, None
    return None, reason


def explain(
    operation: str, *args: Any, backend: str = "auto", device: str = "cpu"
) -> tuple[str, str | None]:
    """Return the backend that runs ``operation``, and why it is not a compiled one.

    Args:
        operation: a key of `IMPLEMENTATIONS`.
        *args: what the module's ``unsupported`` takes.
        backend: one of `BACKENDS`. A backend that has no kernel for this operation stands for
            ``'eager'``.
        device: type of the device on which ``'auto'`` runs.

    Raises:
        BackendError: if a compiled backend was requested by name and cannot run.
    """
    requested = resolve(backend)
    candidate = requested
    if candidate == "auto":
        candidate = "triton" if device == "cuda" else "numba"
    if candidate == "eager" or candidate not in IMPLEMENTATIONS[operation]:
        why = "was requested" if requested == "eager" else f"has no kernel for {operation}"
        return "eager", f"the backend {requested!r} {why}"
    reason = _load(operation, candidate, args)[1]
    return (candidate if reason is None else decline(requested, candidate, reason)), reason


def decline(requested: str, backend: str, reason: str) -> str:
    """Return ``'eager'`` in place of ``backend``, which cannot run for this ``reason``.

    Raises:
        BackendError: if ``backend`` was requested by name.
    """
    if resolve(requested) == backend:
        raise BackendError(f"the backend {backend!r} was requested and cannot run: {reason}")
    return "eager"


def choose(operation: str, *args: Any, backend: str = "auto", device: str = "cpu") -> Any:
    """Return the module that runs ``operation``; None where torch's own operations do.

    The arguments and errors are those of `explain`. Under ``torch.compile`` torch's operations run,
    and the operators of ``torch.ops.bitspike`` where an operation calls one there.
    """
    if torch.compiler.is_compiling():
        return None
    return implementation(operation, explain(operation, *args, backend=backend, device=device)[0])


def available(operation: str, *args: Any, backend: str = "auto") -> Any:
    """Return the compiled module of an operation for the CPU; None if it cannot run or may not.

    For shortcuts that were not requested by name: this raises no `BackendError`.
    """
    if torch.compiler.is_compiling():
        return None
    if resolve(backend) not in ("auto", "numba"):
        return None
    return _load(operation, "numba", args)[0]
