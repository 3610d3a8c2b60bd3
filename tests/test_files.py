import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes import Process

from bitspike._files import atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("old", [None, b"old and longer than the new one"])
def test_the_new_content_takes_the_place_of_the_old(tmp_path: Path, old: bytes | None) -> None:
    target = tmp_path / "file.bin"
    if old is not None:
        target.write_bytes(old)
    with atomic(str(target)) as temporary:
        temporary.write_bytes(b"new")
        assert target.exists() == (old is not None)
        assert old is None or target.read_bytes() == old
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("kind", [OSError, ValueError, KeyboardInterrupt])
def test_an_exception_keeps_the_old_content(tmp_path: Path, kind: type[BaseException]) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    with pytest.raises(kind, match="in between"), atomic(target) as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise kind("in between")
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file.bin"]


def test_the_content_is_on_the_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int]] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        done.append(("fsync", os.fstat(descriptor).st_size))
        fsync(descriptor)

    def watched_replace(self: Path, target: Path) -> Path:
        done.append(("replace", self.stat().st_size))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    with atomic(tmp_path / "file.bin") as temporary:
        temporary.write_bytes(b"12345")
    assert done == [("fsync", 5), ("replace", 5)]


def test_the_temporary_file_is_hidden_and_has_the_same_suffix(tmp_path: Path) -> None:
    """NumPy adds its own suffix to a name without it, so that another file would be written."""
    with atomic(tmp_path / "array.npy") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".npy"


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    with atomic(target) as first, atomic(target) as second:
        assert first != second
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert target.read_bytes() == b"first"  # the last rename wins
    assert names(tmp_path) == ["file.bin"]


def test_readers_never_meet_half_a_file(tmp_path: Path) -> None:
    """Two processes write as fast as they can."""
    target = tmp_path / "file.bin"
    size = 1 << 20
    code = (
        "import sys, time; from bitspike._files import atomic\n"
        "end = time.monotonic() + 0.5\n"
        "while time.monotonic() < end:\n"
        "    with atomic(sys.argv[1]) as temporary:\n"
        f"        temporary.write_bytes(sys.argv[2].encode() * {size})"
    )
    target.write_bytes(b"c" * size)
    writers = [Process(code, target, letter) for letter in "ab"]
    seen = set()
    while any(writer.alive() for writer in writers):
        content = target.read_bytes()
        assert content == content[:1] * size
        seen.add(content[:1])
    assert [writer.wait().code for writer in writers] == [0, 0]
    assert seen >= {b"a", b"b"}
    assert names(tmp_path) == ["file.bin"]


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    old = os.umask(request.param)
    yield request.param
    os.umask(old)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], indirect=True, ids=oct)
def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path, umask: int) -> None:
    (tmp_path / "ordinary").touch()
    with atomic(tmp_path / "file.bin") as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / "file.bin").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert (tmp_path / "file.bin").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "missing" / "file.bin"):
        pytest.fail("there is no path to write to")
    assert not names(tmp_path)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"), atomic(tmp_path / "folder") as temporary:
        temporary.write_bytes(b"new")
    assert names(tmp_path) == ["folder"]


def test_an_error_names_the_file_and_not_a_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    full = errno.ENOSPC, os.strerror(errno.ENOSPC)
    errors = [OSError(*full), OSError("12 requested and 3 written")]
    for error in errors:
        with pytest.raises(OSError, match=re.escape(str(path))) as caught, atomic(path):
            raise error
        assert caught.value.errno == error.errno
    with pytest.raises(OSError, match="other") as caught, atomic(path):
        raise OSError(*full, "other")
    assert caught.value.filename == "other"
    with pytest.raises(FileNotFoundError) as missing, atomic(tmp_path / "none" / "file.bin"):
        pytest.fail("there is no path to write to")
    assert missing.value.filename == str(tmp_path / "none" / "file.bin")
