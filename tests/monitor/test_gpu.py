"""`GPUMonitor` with a program that answers in place of ``nvidia-smi``."""

import logging
import os
import sys
import time
from pathlib import Path

import pytest

from bitspike.monitor import GPUMonitor, GPUSample

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")

ANSWER = "0, 37, 1024\n2, 5, 512"


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in: a file that may be written anew."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    write(program, f"echo '{ANSWER}'")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


def write(program: Path, line: str) -> None:
    draft = program.with_suffix(".new")
    draft.write_text(f"#!/bin/sh\necho \"$@\" > '{program}.asked'\n{line}\n", encoding="utf-8")
    draft.chmod(0o755)
    draft.rename(program)


def wait_for(monitor: GPUMonitor, count: int) -> None:
    end = time.monotonic() + 20
    while len(monitor.records) < count and time.monotonic() < end:
        time.sleep(0.01)
    monitor.stop()
    monitor.join(20)
    assert not monitor.is_alive()


def test_samples(smi: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monitor = GPUMonitor(gpu_ids=(0, 2), interval=0.01)
    wait_for(monitor, 3)
    assert len(monitor.records) >= 3
    assert monitor.step == len(monitor.records)
    assert monitor.records[1] == [GPUSample(0, 37, 1024), GPUSample(2, 5, 512)]
    assert "-i 0,2" in Path(f"{smi}.asked").read_text(encoding="utf-8")
    assert "GPU 0: 37 % busy, 1024 MiB" in caplog.text


def test_stop_does_not_wait_for_the_interval(smi: Path) -> None:
    start = time.monotonic()
    wait_for(GPUMonitor(interval=600.0), 1)
    assert time.monotonic() - start < 20


def test_starts_when_told(smi: Path) -> None:
    monitor = GPUMonitor(interval=600.0, start_now=False)
    assert not monitor.is_alive()
    assert monitor.records == []
    monitor.start()
    wait_for(monitor, 1)
    assert len(monitor.records) == 1


def test_tensorboard(smi: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    wait_for(GPUMonitor(str(tmp_path), interval=0.01), 2)
    events = EventAccumulator(str(tmp_path / "gpu_monitor"))
    events.Reload()
    scalars = events.Scalars("memory_used_2")
    assert [(s.step, s.value) for s in scalars][:2] == [(0, 512.0), (1, 512.0)]
    assert {"utilization_0", "utilization_2", "memory_used_0"} <= set(events.Tags()["scalars"])


def test_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="no nvidia-smi"):
        GPUMonitor()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("echo 'No devices were found'; exit 6", r"code 6 and said: No devices"),
        ("echo 'driver' >&2; exit 9", "said: driver"),
        ("true", "said: nothing"),
        ("echo '0, 1'", "said: 0, 1"),
    ],
)
def test_an_answer_that_is_none(smi: Path, line: str, message: str) -> None:
    write(smi, line)
    with pytest.raises(RuntimeError, match=message):
        GPUMonitor()


def test_a_later_failure_ends_the_thread(smi: Path, caplog: pytest.LogCaptureFixture) -> None:
    monitor = GPUMonitor(interval=0.01, start_now=False)
    write(smi, "exit 3")
    monitor.start()
    monitor.join(20)
    assert not monitor.is_alive()
    assert "GPUMonitor ends: GPUMonitor: nvidia-smi tells nothing" in caplog.text


def test_arguments(smi: Path) -> None:
    with pytest.raises(ValueError, match="gpu_ids is empty"):
        GPUMonitor(gpu_ids=())
    with pytest.raises(ValueError, match="interval must be above 0"):
        GPUMonitor(interval=0.0)
