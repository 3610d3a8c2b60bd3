"""Seed, save and restore every source of randomness that a training program touches."""

import os
import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int, device: torch.device) -> None:
    """Seed Python, NumPy and torch, and ask torch for deterministic kernels on ``device``.

    Raises:
        ValueError: if ``seed`` is outside [0, 2**32).
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"the seed must lie in [0, 2**32), but got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- it is the global state that others draw from
    torch.manual_seed(seed)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def random_state() -> dict[str, Any]:
    """Return all random states, in types that ``torch.load(weights_only=True)`` accepts."""
    version, words, gauss = random.getstate()
    name, keys, pos, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": [version, list(words), gauss],
        "numpy": [str(name), np.asarray(keys).tolist(), int(pos), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def check_random_state(state: object) -> None:
    """Refuse a state that `restore_random_state` could not put back; change nothing.

    Raises:
        ValueError: naming the generator whose state it is not.
    """
    names = {"python", "numpy", "torch", "cuda", "mps"}
    if not isinstance(state, dict) or state.keys() != names:
        raise ValueError("the random states are not those of python, numpy, torch, cuda and mps")
    try:
        _restore_python(random.Random(), state["python"])  # noqa: S311
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the random state of Python is of no use ({error})") from error
    try:
        _restore_numpy(np.random.RandomState(), state["numpy"])
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the random state of NumPy is of no use ({error})") from error
    mps = [] if state["mps"] is None else [state["mps"]]
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for device, saved in (("cpu", [state["torch"]]), ("cuda", state["cuda"]), ("mps", mps)):
        if not isinstance(saved, list) or not all(map(_is_bytes, saved)):
            raise ValueError(f"the random state of torch on {device} is of no use")
        for generator_state in saved if available.get(device, True) else []:
            try:
                torch.Generator(device).set_state(generator_state)
            except (RuntimeError, TypeError) as error:
                raise ValueError(
                    f"the random state of torch on {device} is of no use "
                    f"({str(error).splitlines()[0]})"
                ) from error


def _is_bytes(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.uint8 and value.ndim == 1


def _restore_python(generator: Any, state: Any) -> None:
    version, words, gauss = state
    if not (gauss is None or type(gauss) is float):
        raise TypeError("the second normal number is no float")
    generator.setstate((version, tuple(words), gauss))


def _restore_numpy(generator: Any, state: Any) -> None:
    name, keys, pos, has_gauss, cached = state
    # NumPy believes the position, and reads beyond its memory.
    if len(keys) != 624 or type(pos) is not int or not 0 <= pos <= 624:
        raise ValueError(f"{len(keys)} words, position {pos}")
    if type(cached) is not float or has_gauss not in (0, 1):
        raise ValueError("the second normal number is no float")
    generator.set_state((name, np.array(keys, dtype=np.uint32), pos, has_gauss, cached))


def restore_random_state(state: dict[str, Any]) -> None:
    """Put back what `random_state` returned."""
    _restore_python(random, state["python"])
    _restore_numpy(np.random, state["numpy"])
    torch.set_rng_state(state["torch"])
    for index, cuda in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(cuda, index)
    if state["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
