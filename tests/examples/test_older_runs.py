"""A run has a folder of its own, whatever else lies or works in the same place."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.examples.tutorial import Run
from tests.processes import Process

from bitspike.training import Resumed, RunError, run_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.examples.tutorial import Program

NAME = "T4_b32_adam_lr0.01_limit320"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_run_of_the_same_name_gets_a_number(
    program: "Program",
    small: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = [*small, "-epochs", "1", "-out-dir", str(tmp_path)]
    assert program.here(*argv) == 0
    kept = files(tmp_path / NAME)
    for number in (2, 3):
        capsys.readouterr()
        assert program.here(*argv) == 0
        assert f"That of this one is {tmp_path / NAME}_{number}." in capsys.readouterr().out
        assert files(tmp_path / NAME) == kept
    assert {path.name for path in tmp_path.iterdir()} == {NAME, f"{NAME}_2", f"{NAME}_3"}


def test_what_differs_from_its_default_stands_in_the_name(
    program: "Program", small: list[str], tmp_path: Path
) -> None:
    argv = [*small, "-epochs", "0", "-out-dir", str(tmp_path)]
    for other in ("", "-seed 1", "-seed 2", "-tau 3", "-momentum 0.5 -opt sgd"):
        assert program.here(*argv, *other.split()) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        NAME,
        "T4_b32_adam_lr0.01_seed1_limit320",
        "T4_b32_adam_lr0.01_seed2_limit320",
        "T4_b32_adam_lr0.01_tau3.0_limit320",
        "T4_b32_sgd_lr0.01_momentum0.5_limit320",
    }


def test_resuming_elsewhere_gets_a_number_too(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    argv = [*small, "-epochs", "1", "-out-dir", str(tmp_path)]
    assert program.here(*argv) == 0
    kept = files(tmp_path / NAME)
    assert program.here("-resume", reference.latest, "-epochs", "3", "-out-dir", tmp_path) == 0
    assert files(tmp_path / NAME) == kept
    other = Run(tmp_path / f"{NAME}_2")
    assert other.latest.read_bytes() == reference.latest.read_bytes()
    assert other.best.read_bytes() == reference.best.read_bytes()


def test_a_folder_of_the_user_stays_as_it_is(
    program: "Program", small: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "note.txt").write_text("mine")
    assert program.here(*small, "-epochs", "0", "-out-dir", tmp_path) == 0
    assert files(folder) == {"note.txt": b"mine"}
    assert (tmp_path / f"{NAME}_2" / "checkpoint_latest.pth").exists()


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


# -- several processes at once ------------------------------------------------------------------

# Says that it has begun by a file, and waits in its first batch until the test has made another.
WAITS = """
import time
update = Precision.update
def waiting(*args):
    Path({go!r}).with_name(f"begun_{{os.getpid()}}").touch()
    while not Path({go!r}).exists():
        time.sleep(0.01)
    update(*args)
Precision.update = waiting
"""


def wait_until(true: "Callable[[], bool]") -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/checkpoint_latest.pth"))


@pytest.mark.parametrize("seeds", [(1, 2), (3, 3)], ids=["two seeds", "the same twice"])
def test_two_runs_at_once(
    program: "Program", small: list[str], tmp_path: Path, seeds: tuple[int, int]
) -> None:
    """Each has what its own options say, as a sweep needs it."""
    out, go = tmp_path / "out", tmp_path / "go"
    argv = [*small, "-epochs", "1", "-out-dir", str(out)]
    waits = WAITS.format(go=str(go))
    both = [program.start(*argv, "-seed", str(seed), change=waits) for seed in seeds]
    wait_until(lambda: len(list(tmp_path.glob("begun_*"))) == 2)
    go.touch()
    assert [process.wait().code for process in both] == [0, 0]
    found = []
    for path in checkpoints(out):
        run = Run(path.parent)
        (line,) = (x for x in (run.folder / "args.txt").read_text().splitlines() if "seed:" in x)
        assert line == f"seed: {run.state()['options']['seed']}"
        assert len(run.metrics()) == 1
        found.append(run.state()["options"]["seed"])
    assert sorted(found) == sorted(seeds)
    alone = tmp_path / "alone"
    assert program.here(*argv[:-1], alone, "-seed", str(seeds[0])) == 0
    program.only(alone).assert_same_as(Run(next(p.parent for p in checkpoints(out))))


def test_a_run_that_is_alive_is_not_resumed(
    program: "Program", small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in its folder nor elsewhere, until it has ended, in whatever way."""
    out, go = tmp_path / "out", tmp_path / "go"
    argv = [*small, "-epochs", "1", "-out-dir", str(out)]
    alive = program.start(*argv, change=WAITS.format(go=str(go)))
    wait_until(lambda: len(list(tmp_path.glob("begun_*"))) == 1)
    (checkpoint,) = checkpoints(out)
    before = files(checkpoint.parent)
    for elsewhere in ([], ["-out-dir", str(tmp_path / "other")]):
        capsys.readouterr()
        assert program.here("-resume", checkpoint, "-epochs", "2", *elsewhere) == 2
        assert capsys.readouterr().err == (
            f"lif_fc_mnist: error: the run in {checkpoint.parent} is alive in another process: "
            "wait until it has ended, or stop it\n"
        )
    assert files(checkpoint.parent) == before
    assert not (tmp_path / "other").exists()
    alive.kill()
    alive.wait()
    assert program.here("-resume", checkpoint, "-epochs", "1") == 0
    assert len(Run(checkpoint.parent).metrics()) == 1


def test_a_checkpoint_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """By a run that ended in between: its newer state must not be overwritten by the older."""
    checkpoint = tmp_path / "checkpoint_latest.pth"
    checkpoint.write_bytes(b"old")
    resumed = Resumed.of(checkpoint)
    checkpoint.unlink()
    checkpoint.write_bytes(b"newer")
    for wanted in (tmp_path, tmp_path / "elsewhere"):
        with pytest.raises(RunError, match="was written anew"), run_folder(wanted, resumed):
            pytest.fail("it goes on")
    assert checkpoint.read_bytes() == b"newer"


def test_many_processes_make_as_many_folders(tmp_path: Path) -> None:
    """None ends before all have made theirs."""
    code = """
import sys, time
from pathlib import Path
from bitspike.training import run_folder
here = Path(sys.argv[1])
with run_folder(here / "deep" / "run", None) as folder:
    print(folder.name)
    while len(list(here.glob("deep/run*/"))) < 4:
        time.sleep(0.01)
"""
    several = [Process(code, tmp_path) for _ in range(4)]
    done = [process.wait() for process in several]
    assert [(one.code, one.err) for one in done] == [(0, "")] * 4
    assert sorted(one.out.splitlines()[-1] for one in done) == ["run", "run_2", "run_3", "run_4"]
