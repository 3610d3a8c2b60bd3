"""After ``kill -9`` at any moment a resume ends where an undisturbed run does."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.examples.tutorial import Run

if TYPE_CHECKING:
    from tests.examples.tutorial import Program

# A run writes checkpoint_latest at its start, and checkpoint_max and checkpoint_latest after each
# of its three epochs, all of which are better than those before.
HALF_A_CHECKPOINT = """
save, saved = torch.save, []
def half(content, file):
    saved.append(file)
    if len(saved) == {n}:
        buffer = io.BytesIO()
        save(content, buffer)
        file.write(buffer.getvalue()[: buffer.tell() // 2])
        file.flush()
        send("SIGKILL")
    save(content, file)
torch.save = half
"""
AT_RENAME = """
replace, seen = Path.replace, []
def watched_replace(path, target):
    seen.append(Path(target).name)
    kill = seen[-1] == {name!r} and seen.count({name!r}) == {n}
    if kill and {before}:
        send("SIGKILL")
    replace(path, target)
    if kill:
        send("SIGKILL")
Path.replace = watched_replace
"""
AT_BATCH = """
update, batches = Precision.update, []
def watched_update(*args):
    batches.append(args)
    if len(batches) == {n}:
        send("SIGKILL")
    update(*args)
Precision.update = watched_update
"""
AT_PICTURES = """
visualizing.save = lambda *args: send("SIGKILL")
"""
HALF_AN_ARRAY = """
np.save = lambda path, array: (Path(path).write_bytes(b"half"), send("SIGKILL"))
"""
HALF_AN_EVENT = """
log_epoch = training.log_epoch
def half(writer, row):
    log_epoch(writer, row)
    if row.epoch == 2:
        (path,) = Path(writer.log_dir).glob("events.*")
        os.truncate(path, path.stat().st_size - 30)
        send("SIGKILL")
training.log_epoch = half
"""


def at_rename(name: str, n: int, before: bool = False) -> str:
    return AT_RENAME.format(name=name, n=n, before=before)


def param(name: str, epochs: int, change: str) -> object:
    return pytest.param(epochs, change, id=name)


def kill(program: "Program", change: str, *argv: str | Path) -> None:
    killed = program.apart(*map(str, argv), change=change)
    assert (killed.code, killed.err) == (-9, "")


@pytest.mark.parametrize(
    ("epochs", "change"),
    [
        param("half-of-max-1", 0, HALF_A_CHECKPOINT.format(n=2)),
        param("half-of-latest-2", 1, HALF_A_CHECKPOINT.format(n=5)),
        param("before-rename-of-latest-3", 2, at_rename("checkpoint_latest.pth", 4, before=True)),
        param("between-max-and-latest-2", 1, at_rename("checkpoint_max.pth", 2)),
        param("between-latest-and-csv-2", 2, at_rename("checkpoint_latest.pth", 3)),
        param("before-rename-of-csv-1", 1, at_rename("metrics.csv", 2, before=True)),
        param("in-training-2", 1, AT_BATCH.format(n=15)),
        param("half-an-event-2", 1, HALF_AN_EVENT),
        param("half-an-array", 3, HALF_AN_ARRAY),
        param("drawing", 3, AT_PICTURES),
    ],
)
def test_kill_and_resume(
    program: "Program",
    small: list[str],
    reference: "Run",
    tmp_path: Path,
    epochs: int,
    change: str,
) -> None:
    kill(program, change, *small, "-epochs", "3", "-out-dir", tmp_path)
    run = program.only(tmp_path)
    assert len(run.state()["history"]) == epochs
    assert program.here("-resume", run.latest, "-epochs", "3") == 0
    run.assert_same_as(reference)


def test_killed_before_the_first_checkpoint(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    """There is nothing to resume, and the same command again starts over, in another folder."""
    argv = [*small, "-epochs", "3", "-out-dir", str(tmp_path)]
    kill(program, HALF_A_CHECKPOINT.format(n=1), *argv)
    killed = program.only(tmp_path)
    assert not killed.latest.exists()
    assert program.here(*argv) == 0
    Run(killed.folder.with_name(f"{killed.folder.name}_2")).assert_same_as(reference)


def test_killed_twice(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    kill(program, AT_BATCH.format(n=15), *small, "-epochs", "3", "-out-dir", tmp_path)
    run = program.only(tmp_path)
    again = ["-resume", str(run.latest), "-epochs", "3"]
    kill(program, HALF_A_CHECKPOINT.format(n=2), *again)
    assert program.here(*again) == 0
    run.assert_same_as(reference)


def test_killed_while_a_run_is_taken_to_another_folder(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    """What is there under a checkpoint's name is whole."""
    assert program.here(*small, "-epochs", "1", "-out-dir", tmp_path / "old") == 0
    old, new = program.only(tmp_path / "old"), tmp_path / "new"
    again = ["-resume", str(old.latest), "-epochs", "3", "-out-dir", str(new)]
    half = """
import shutil
def half(source, target):
    Path(target).write_bytes(Path(source).read_bytes()[:1000])
    send("SIGKILL")
shutil.copyfile = half
"""
    kill(program, half, *again)
    killed = program.only(new)
    assert not killed.latest.exists()
    assert program.here(*again) == 0
    whole = Run(killed.folder.with_name(f"{killed.folder.name}_2"))
    whole.assert_same_checkpoints_as(reference)
