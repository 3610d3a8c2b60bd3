"""With ``NUMBA_BOUNDSCHECK=1`` kernels raise where an index leaves its array."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import prange

from bitspike.kernels.runtime import numba_simd as simd
from bitspike.kernels.runtime.numba_kernel import Kernel

SIZE = 32


def one(array: Any, at: Any) -> None:
    for _ in prange(1):
        array[at] = np.float32(1.0)


def load(array: Any, at: Any) -> None:
    for _ in prange(1):
        simd.store16(array, 0, simd.load16(array, at))


def store(array: Any, at: Any) -> None:
    for _ in prange(1):
        simd.store16(array, at, simd.load16(array, 0))


def entry(array: Any, at: Any) -> None:
    for _ in prange(1):
        simd.store16(array, at, simd.splat16(np.float32(1.0)))


def outcomes() -> list[str]:
    """What each template does within and beyond its array."""
    array, found = np.zeros(SIZE, np.float32), []
    kernels = {template.__name__: Kernel(template) for template in (one, load, store)}
    kernels["entry"] = Kernel(entry, "array f32[]")
    for name, kernel in kernels.items():
        taken = torch.from_numpy(array) if name == "entry" else array
        for at in (0, 16, 17, 32, -20):
            try:
                kernel(taken, at, work=1)
                found.append(f"{name} {at} runs")
            except IndexError:
                found.append(f"{name} {at} raises")
    return found


def test_single_and_wide_accesses_beyond_an_array_raise(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(Path(__file__))],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    beyond = {"one": (32,), "load": (17, 32, -20), "store": (17, 32, -20), "entry": (17, 32, -20)}
    assert done.stdout.splitlines() == [
        f"{name} {at} {'raises' if at in wrong else 'runs'}"
        for name, wrong in beyond.items()
        for at in (0, 16, 17, 32, -20)
    ], done.stderr


def test_nothing_is_checked_otherwise() -> None:
    assert os.environ.get("NUMBA_BOUNDSCHECK", "0") == str(int(simd.CHECKED))


if __name__ == "__main__":
    sys.stdout.write("\n".join(outcomes()))
