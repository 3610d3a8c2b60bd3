"""A new run never overwrites an older one."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.examples.conftest import Program, Run


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_older_run_is_moved_aside(
    program: "Program",
    small: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = [*small, "-epochs", "1", "-out-dir", str(tmp_path)]
    assert program.here(*argv) == 0
    folder = program.only(tmp_path).folder
    kept = []
    for seed in ("1", "2"):
        (folder / "note.txt").write_text(f"mine, before seed {seed}")
        kept.append(files(folder))
        capsys.readouterr()
        assert program.here(*argv, "-seed", seed) == 0
        old = folder.with_name(f"{folder.name}.old{seed}")
        assert f"An older run in {folder} was moved to {old}." in capsys.readouterr().out
    assert [files(folder.with_name(f"{folder.name}.old{i}")) for i in (1, 2)] == kept
    assert not (folder / "note.txt").exists()
    assert "seed: 2\n" in (folder / "args.txt").read_text()
    assert len(list(tmp_path.iterdir())) == 3


def test_resuming_elsewhere_moves_an_older_run_aside_too(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    argv = [*small, "-epochs", "1", "-seed", "1", "-out-dir", str(tmp_path)]
    assert program.here(*argv) == 0
    folder = program.only(tmp_path).folder
    kept = files(folder)
    assert program.here("-resume", reference.latest, "-epochs", "3", "-out-dir", tmp_path) == 0
    assert files(folder.with_name(f"{folder.name}.old1")) == kept
    assert (folder / "checkpoint_latest.pth").read_bytes() == reference.latest.read_bytes()
    assert (folder / "checkpoint_max.pth").read_bytes() == reference.best.read_bytes()


def test_files_of_the_user_in_the_run_s_folder_stay(
    program: "Program", small: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "T4_b32_adam_lr0.01"
    folder.mkdir()
    (folder / "note.txt").write_text("mine")
    assert program.here(*small, "-epochs", "0", "-out-dir", tmp_path) == 0
    assert program.only(tmp_path).folder == folder
    assert (folder / "note.txt").read_text() == "mine"


def test_no_epoch_at_all(
    program: "Program", small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is named at the end is there, and nothing is drawn of nothing."""
    assert program.here(*small, "-epochs", "0", "-out-dir", tmp_path) == 0
    run = program.only(tmp_path)
    assert run.metrics() == []
    assert not (run.folder / "accuracy.png").exists()
    assert (run.folder / "voltage.png").exists()
    assert not run.best.exists()
    out = capsys.readouterr().out
    assert "checkpoint_max" not in out
    assert str(run.latest) in out
