"""Peak memory of a training step, by ``python -m benchmarks._memory JSON``."""

import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from benchmarks._data import batch
from benchmarks._steps import train_step
from benchmarks.libraries import Bitspike, SpikingJelly, build, convolutional, fully_connected
from bitspike import kernels, spikes

MIB = 1 << 20


@dataclass(frozen=True)
class Task:
    """The task of the child process.

    Args:
        sizes: of a fully connected network; () is the convolutional one.
        library: a name of `benchmarks.libraries.MAKERS`.
        low: with the library's memory optimisation.
        density: share of ones of an input that is given as spikes; None: images.
    """

    library: str
    sizes: tuple[int, ...]
    T: int
    batch: int
    low: bool = False
    density: float | None = None


def training_step(task: Task) -> Callable[[], Tensor]:
    """Return a fresh network and its step."""
    parts = fully_connected(*task.sizes) if task.sizes else convolutional()
    network = build(parts, task.library)[task.library]
    image, label = batch(task.batch)
    coding = "poisson" if task.sizes else "direct"
    if task.low and isinstance(network, Bitspike):
        network.save_memory(task.T)
    if task.low and isinstance(network, SpikingJelly):
        network.save_memory(image, task.T, coding)
    if task.density is None:
        return train_step(network, lambda x: network.rate(x, task.T, coding), image, label)
    x_seq = spikes_of(task.density, task.T, task.batch, task.sizes[0])
    if task.library == "bitspike":
        x_seq = spikes.pack(x_seq)
    return train_step(network, network.rate_of, x_seq, label)


def spikes_of(density: float, *shape: int) -> Tensor:
    """Draw independent spikes, dense float32."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(shape, generator=generator) < density).float()


def peak(task: Task) -> float:
    """Return the MiB that a training step adds to the resident memory.

    The same step has run once before, so that code, threads and the libraries' scratch space are
    there; memory that it left behind is given back.
    """
    training_step(task)()
    _give_back()
    step = training_step(task)
    gc.collect()
    before = _restart_peak()
    for _ in range(3):
        step()
    return (_peak() - before) / MIB


def _give_back() -> None:
    gc.collect()
    kernels.release_buffers()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def _restart_peak() -> int:
    """Return the resident bytes now, where `_peak` starts to count."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _peak()
    return _status("VmRSS")


def _peak() -> int:
    if Path("/proc/self/status").exists():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return 1024 * int(value)


def measure_all(tasks: dict[str, Task]) -> dict[str, float]:
    """Return the MiB of each task; as many tasks run at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(tasks, pool.map(_in_a_process, tasks.values()), strict=True))


def _in_a_process(task: Task) -> float:
    command = [sys.executable, "-m", "benchmarks._memory", json.dumps(asdict(task))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{task}:\n{done.stderr}")
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    given = cast("dict[str, Any]", json.loads(sys.argv[1]))
    print(peak(Task(**{**given, "sizes": tuple(given["sizes"])})))
