"""Names of backends in programs for older releases of SpikingJelly."""

import inspect
import warnings
from pathlib import Path

import torch

_OURS = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))
_OLDER = {"torch": "eager", "cupy": "auto"}


def today(backend: str) -> str:
    """``backend``, or what has taken its place, with a `DeprecationWarning`."""
    if backend not in _OLDER:
        return backend
    now = _OLDER[backend]
    meaning = "plain PyTorch" if now == "eager" else "the fastest that can run"
    warnings.warn(
        f"the backend {backend!r} of older releases is {now!r} here, {meaning}; leave it out",
        DeprecationWarning,
        stacklevel=_levels(),
    )
    return now


def _levels() -> int:
    """How far up the caller's own program is, above the frames of bitspike and torch."""
    level, frame = 1, inspect.currentframe()
    while (frame := frame and frame.f_back) and frame.f_code.co_filename.startswith(_OURS):
        level += 1
    return level
