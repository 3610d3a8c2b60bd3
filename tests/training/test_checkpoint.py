import errno
import io
import os
import random
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.processes import Process

from bitspike.training import CheckpointError, load_checkpoint, save_checkpoint

CONTENT: dict[str, Any] = {
    "net": {"weight": torch.arange(600.0).reshape(3, 200) / 7},
    "history": [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": 5e-324}],
    "batch": 3,
    "nothing": None,
    "name": "T=20, τ=2",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pth"


@pytest.fixture
def saved(path: Path) -> Path:
    save_checkpoint(path, "prog", CONTENT)
    return path


def assert_is_content(loaded: dict[str, Any]) -> None:
    assert torch.equal(loaded["net"]["weight"], CONTENT["net"]["weight"])
    assert {name: loaded[name] for name in CONTENT if name != "net"} == {
        name: CONTENT[name] for name in CONTENT if name != "net"
    }


def test_round_trip(saved: Path) -> None:
    assert_is_content(load_checkpoint(saved, "prog"))
    assert_is_content(load_checkpoint(str(saved), "prog"))
    assert_is_content(torch.load(saved, weights_only=True))
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint.pth"]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_state_of_an_optimizer_survives(path: Path, optimizer: str) -> None:
    def steps(number: int) -> None:
        for _ in range(number):
            optim.zero_grad()
            net(torch.ones(1, 3)).square().sum().backward()
            optim.step()

    torch.manual_seed(1)
    net = torch.nn.Linear(3, 2)
    kinds: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "SGD": lambda: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9),
        "Adam": lambda: torch.optim.Adam(net.parameters(), lr=0.1),
    }
    optim = kinds[optimizer]()
    steps(2)
    save_checkpoint(path, "prog", {"net": net.state_dict(), "optimizer": optim.state_dict()})
    steps(3)
    expected = net.weight.detach().clone()

    state = load_checkpoint(path, "prog")
    net.load_state_dict(state["net"])
    optim = kinds[optimizer]()
    optim.load_state_dict(state["optimizer"])
    steps(3)
    assert torch.equal(net.weight, expected)


def test_a_failed_write_keeps_the_old_checkpoint(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        save_checkpoint(saved, "prog", {"net": {}})
    assert caught.value.filename == str(saved)
    assert_is_content(load_checkpoint(saved, "prog"))
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="the system limits no files")
@pytest.mark.parametrize("most", [0, 100, 10_000, 100_000])
def test_a_write_that_the_system_cuts_off_keeps_the_old_checkpoint(saved: Path, most: int) -> None:
    """Files of this process may not be larger: as on a full disk, torch fails in the middle."""
    code = f"""
import resource, torch
from bitspike.training import save_checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
try:
    save_checkpoint({str(saved)!r}, "prog", {{"net": torch.zeros(50_000)}})
except OSError as error:
    print(error)
"""
    done = Process(code).wait()
    assert (done.code, done.err) == (0, "")
    assert done.out == f"[Errno {errno.EFBIG}] File too large: {str(saved)!r}\n"
    assert_is_content(load_checkpoint(saved, "prog"))
    assert list(saved.parent.iterdir()) == [saved]


def test_a_bomb_is_not_unpacked(saved: Path) -> None:
    """A megabyte of zeros that takes a kilobyte, under the name of a tensor."""
    with zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checkpoint/data/1", bytes(1 << 20))
    assert_damaged(saved)


def test_what_cannot_be_pickled_keeps_the_old_checkpoint(saved: Path) -> None:
    with pytest.raises((AttributeError, TypeError)):
        save_checkpoint(saved, "prog", {"function": lambda: None})
    assert_is_content(load_checkpoint(saved, "prog"))
    assert list(saved.parent.iterdir()) == [saved]


def test_missing(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint .*checkpoint\.pth does not exist"):
        load_checkpoint(path, "prog")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a file"):
        load_checkpoint(tmp_path, "prog")


def assert_damaged(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"^checkpoint .*cannot be read: it is") as caught:
        load_checkpoint(path, "prog")
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_cut_off(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    assert_damaged(saved)


@pytest.mark.parametrize("length", [1, 2, 100, 10_000])
def test_random_bytes(path: Path, length: int) -> None:
    path.write_bytes(random.Random(length).randbytes(length))  # noqa: S311
    assert_damaged(path)


@settings(max_examples=300)
@given(content=st.binary(max_size=60))
def test_any_short_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot be read|not a checkpoint"):
        load_checkpoint(path, "prog")


def test_a_flipped_bit_is_found_or_harmless(saved: Path) -> None:
    whole, rng, found = saved.read_bytes(), random.Random(0), 0  # noqa: S311
    for _ in range(200):
        at = rng.randrange(len(whole))
        saved.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
        try:
            loaded = load_checkpoint(saved, "prog")
        except CheckpointError:
            found += 1
        else:
            assert_is_content(loaded)
    assert found > 50


@pytest.mark.parametrize(
    "content", [{"weight": torch.zeros(2)}, torch.zeros(2), [1, 2], 7, {"format": "another"}]
)
def test_not_ours(path: Path, content: object) -> None:
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="is not a checkpoint that this version of bitspike"):
        load_checkpoint(path, "prog")


def test_another_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    assert_damaged(path)


def test_of_another_program(saved: Path) -> None:
    with pytest.raises(CheckpointError, match=r"written by the program 'prog', not 'other'"):
        load_checkpoint(saved, "other")


class Hostile:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str, int], object], tuple[str, int]]:
        return os.open, (str(self.path), os.O_CREAT)


@pytest.mark.parametrize("zipped", [True, False])
def test_no_code_is_run(path: Path, tmp_path: Path, zipped: bool) -> None:
    victim = tmp_path / "victim"
    buffer = io.BytesIO()
    content = {"format": "bitspike checkpoint 1", "program": "prog", "net": Hostile(victim)}
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    path.write_bytes(buffer.getvalue())
    assert_damaged(path)
    assert not victim.exists()
