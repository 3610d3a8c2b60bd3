"""N epochs in one go, and k epochs and a resume, are the same bit for bit."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.examples.tutorial import Program, Run


@pytest.mark.parametrize(
    "variant", ["-opt adam", "-opt sgd -momentum 0.8 -lr 0.5", "-amp", "-tau 3 -seed 5"]
)
def test_one_epoch_and_resume(
    program: "Program", small: list[str], tmp_path: Path, variant: str
) -> None:
    options = [*small, *variant.split()]
    assert program.here(*options, "-epochs", "3", "-out-dir", tmp_path / "a") == 0
    assert program.here(*options, "-epochs", "1", "-out-dir", tmp_path / "b") == 0
    one_go, resumed = program.only(tmp_path / "a"), program.only(tmp_path / "b")
    assert resumed.state()["history"] == one_go.state()["history"][:1]
    assert program.here("-resume", resumed.latest, "-epochs", "3") == 0
    resumed.assert_same_as(one_go)
    assert resumed.folder.name == one_go.folder.name


def test_on_the_backend_that_a_user_gets(
    default_program: "Program", small: list[str], tmp_path: Path
) -> None:
    for name, epochs in (("a", "3"), ("b", "1")):
        argv = [*small, "-epochs", epochs, "-out-dir", str(tmp_path / name)]
        assert default_program.here(*argv) == 0
    run = default_program.only(tmp_path / "b")
    assert default_program.here("-resume", run.latest, "-epochs", "3") == 0
    run.assert_same_as(default_program.only(tmp_path / "a"))


@pytest.mark.parametrize("stops", [["0"], ["0", "1", "2"]], ids=" ".join)
def test_several_resumes(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path, stops: list[str]
) -> None:
    assert program.here(*small, "-epochs", stops[0], "-out-dir", tmp_path) == 0
    run = program.only(tmp_path)
    for epochs in [*stops[1:], "3"]:
        assert program.here("-resume", run.latest, "-epochs", epochs) == 0
    run.assert_same_as(reference)


@pytest.fixture
def copied(reference: "Run", program: "Program", tmp_path: Path) -> "Run":
    """A copy of the reference that a test may change."""
    shutil.copytree(reference.folder, tmp_path / "copied" / reference.folder.name)
    return program.only(tmp_path / "copied")


def files(run: "Run") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.folder.iterdir()}


def test_into_another_folder(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    assert program.here(*small, "-epochs", "2", "-out-dir", tmp_path / "old") == 0
    old = program.only(tmp_path / "old")
    before = files(old)
    new = tmp_path / "new"
    assert program.here("-resume", old.latest, "-epochs", "3", "-out-dir", new) == 0
    assert files(old) == before
    run = program.only(new)
    assert run.folder.name == reference.folder.name
    assert run.metrics() == reference.metrics()
    run.assert_same_checkpoints_as(reference)


def test_a_better_epoch_of_before_stays_the_best(
    program: "Program", copied: "Run", tmp_path: Path
) -> None:
    """The copy of the checkpoint with the best epoch comes along, if no later one is better."""
    state = program.load(copied.latest)
    state["history"][0]["test_acc"] = 1.0
    program.save(copied.latest, state)
    copied.best.write_bytes(b"the best one")
    new = tmp_path / "new"
    assert program.here("-resume", copied.latest, "-epochs", "4", "-out-dir", new) == 0
    assert program.only(new).best.read_bytes() == b"the best one"
    assert len(program.only(new).metrics()) == 4


def test_a_finished_run_is_left_as_it_is(program: "Program", copied: "Run") -> None:
    before = copied.latest.read_bytes(), copied.best.read_bytes(), copied.metrics()
    assert program.here("-resume", copied.latest, "-epochs", "2") == 0
    assert (copied.latest.read_bytes(), copied.best.read_bytes(), copied.metrics()) == before


def test_what_does_not_decide_the_result_may_change(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    assert program.here(*small, "-epochs", "1", "-out-dir", tmp_path) == 0
    run = program.only(tmp_path)
    other = ["-epochs", "3", "-j", "2", "-device", "cpu", *small[:2]]
    assert program.here("-resume", run.latest, *other) == 0
    run.assert_same_as(reference)


def test_both_commands_are_in_args_txt(
    program: "Program", small: list[str], tmp_path: Path
) -> None:
    assert program.here(*small, "-epochs", "1", "-out-dir", tmp_path) == 0
    run = program.only(tmp_path)
    assert program.here("-resume", run.latest, "-epochs", "2") == 0
    first, second = (run.folder / "args.txt").read_text().strip().split("\n\n")
    for text, epochs, resume in ((first, 1, ""), (second, 2, str(run.latest))):
        lines = dict(line.split(": ", 1) for line in text.splitlines())
        assert lines["epochs"] == str(epochs)
        assert lines["resume"] == resume
        assert (lines["T"], lines["b"], lines["lr"], lines["limit"]) == ("4", "32", "0.01", "320")
