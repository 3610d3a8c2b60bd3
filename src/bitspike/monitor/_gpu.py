"""Sample utilization and memory of the GPUs."""

import logging
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitspike._extras import require

_log = logging.getLogger(__name__)

_QUERY = ("--query-gpu=index,utilization.gpu,memory.used", "--format=csv,noheader,nounits")
_PATIENCE = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class GPUSample:
    """Utilization and memory of one GPU at one moment.

    Attributes:
        index: number of the GPU as ``nvidia-smi`` counts.
        utilization: share of the last moments in which it computed, in percent.
        memory_used: memory in MiB.
    """

    index: int
    utilization: int
    memory_used: int


class GPUMonitor(threading.Thread):
    """A thread that samples utilization and memory of the GPUs by ``nvidia-smi``.

    Samples are kept in ``records``. They go to TensorBoard, as ``utilization_<index>`` and
    ``memory_used_<index>`` in ``<log_dir>/gpu_monitor``, or without ``log_dir`` to Python's
    ``logging`` at level INFO. The thread ends with the program, at `stop`, or, with an error in the
    log, when ``nvidia-smi`` fails.

    Args:
        log_dir: folder of TensorBoard's logs, or None.
        gpu_ids: numbers of the GPUs as ``nvidia-smi`` counts.
        interval: seconds between two samples.
        start_now: False leaves the start to ``monitor.start()``.

    Attributes:
        records: the samples so far, a list of `GPUSample` for each moment.

    Raises:
        ValueError: if ``gpu_ids`` is empty or the interval not above 0.
        RuntimeError: if this machine has no such NVIDIA GPU, or no ``nvidia-smi``.
        ImportError: if ``log_dir`` is given and TensorBoard is not installed.
    """

    def __init__(
        self,
        log_dir: str | None = None,
        gpu_ids: tuple[int, ...] = (0,),
        interval: float = 600.0,
        start_now: bool = True,
    ) -> None:
        super().__init__(name="GPUMonitor", daemon=True)
        if not gpu_ids:
            raise ValueError("GPUMonitor: gpu_ids is empty; name a GPU, such as gpu_ids=(0,)")
        if not interval > 0:
            raise ValueError(f"GPUMonitor: the interval must be above 0 s, but got {interval}")
        if log_dir is not None:
            require("tensorboard", extra="train", purpose="GPUMonitor with a log_dir")
        program = shutil.which("nvidia-smi")
        if program is None:
            raise RuntimeError(
                "GPUMonitor: this machine has no nvidia-smi, so that there is no NVIDIA GPU to "
                "watch, or its driver is not installed"
            )
        self.log_dir = log_dir
        self.gpu_ids = tuple(gpu_ids)
        self.interval = interval
        self.command = [program, *_QUERY, "-i", ",".join(map(str, self.gpu_ids))]
        self.step = 0
        self.writer: Any = None
        self.records: list[list[GPUSample]] = []
        self._stop_event = threading.Event()
        self._sample()  # an error that the user can still see
        if start_now:
            self.start()

    def stop(self) -> None:
        """End the thread, at once if it is waiting; ``join()`` waits for its end."""
        self._stop_event.set()

    def run(self) -> None:
        """Take samples until `stop`."""
        try:
            while not self._stop_event.is_set():
                self._report(self._sample())
                self.step += 1
                self._stop_event.wait(self.interval)
        except RuntimeError as error:
            _log.error("GPUMonitor ends: %s", error)
        finally:
            if self.writer is not None:
                self.writer.close()

    def _sample(self) -> list[GPUSample]:
        try:
            answer = subprocess.run(  # noqa: S603 -- the command is ours
                self.command, check=False, capture_output=True, text=True, timeout=_PATIENCE
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeError(f"GPUMonitor: nvidia-smi failed: {error}") from error
        text = answer.stdout.strip()
        try:
            rows = [[int(value) for value in line.split(",")] for line in text.splitlines()]
            samples = [GPUSample(*row) for row in rows]
        except (TypeError, ValueError):
            samples = []
        if answer.returncode or not samples:
            said = answer.stderr.strip() or text or "nothing"
            raise RuntimeError(
                f"GPUMonitor: nvidia-smi tells nothing about the GPUs {self.gpu_ids}; it ended "
                f"with code {answer.returncode} and said: {said}"
            )
        return samples

    def _report(self, samples: list[GPUSample]) -> None:
        self.records.append(samples)
        if self.log_dir is None:
            for sample in samples:
                busy, used = sample.utilization, sample.memory_used
                _log.info("GPU %d: %d %% busy, %d MiB", sample.index, busy, used)
            return
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(Path(self.log_dir) / "gpu_monitor")
        for sample in samples:
            self.writer.add_scalar(f"utilization_{sample.index}", sample.utilization, self.step)
            self.writer.add_scalar(f"memory_used_{sample.index}", sample.memory_used, self.step)
