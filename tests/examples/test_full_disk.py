"""A disk that is full: one line, exit code 2, and what was there before stays whole."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.examples.tutorial import Run

if TYPE_CHECKING:
    from tests.examples.tutorial import Program
    from tests.processes import Finished

# Files of the process may not grow beyond a number of bytes, as if the disk had no more.
LIMITED = """
import resource
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
{when}
"""
FROM_THE_START = "limit({size})"
AFTER_AN_EPOCH = """
log_epoch = training.log_epoch
def then(writer, row):
    log_epoch(writer, row)
    if row.epoch == 2:
        limit({size})
training.log_epoch = then
"""
IN_THE_LOG = """
log_epoch = training.log_epoch
def then(writer, row):
    if row.epoch == 2:
        limit({size})
    log_epoch(writer, row)
training.log_epoch = then
"""
AT_THE_PICTURES = """
save_pictures = training.save_pictures
def then(*args):
    limit({size})
    save_pictures(*args)
training.save_pictures = then
def save(fig, path):
    with path.open("wb") as file:
        file.write(bytes(10000))
visualizing.save = save
"""

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGXFSZ"), reason="the system cannot limit files"
)


def limited(
    program: "Program", when: str, size: int, argv: list[str], out_dir: Path
) -> "tuple[Finished, Run]":
    change = LIMITED.format(when=when.format(size=size))
    done = program.apart(*argv, "-epochs", "3", "-out-dir", str(out_dir), change=change)
    assert done.code == 2
    assert done.err.startswith("lif_fc_mnist: error: ")
    assert done.err.count("\n") == 1
    assert "File too large" in done.err or "cannot be written" in done.err
    return done, program.only(out_dir)


def test_no_room_for_anything(program: "Program", small: list[str], tmp_path: Path) -> None:
    done, run = limited(program, FROM_THE_START, 10, small, tmp_path)
    assert str(run.folder / "args.txt") in done.err
    assert not run.latest.exists()


def test_no_room_for_the_log(program: "Program", small: list[str], tmp_path: Path) -> None:
    """TensorBoard's writer has a thread of its own, whose traceback nobody wants to see."""
    done, run = limited(program, IN_THE_LOG, 100, small, tmp_path)
    assert str(run.folder) in done.err
    assert len(run.state()["history"]) == 1


def test_no_room_for_a_checkpoint(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    """The older one is whole, and the run goes on from it when there is room again."""
    done, run = limited(program, AFTER_AN_EPOCH, 20_000, small, tmp_path)
    assert str(run.best) in done.err
    assert len(run.state()["history"]) == 1
    assert {p.suffix for p in run.folder.iterdir() if p.name.startswith(".")} == {""}, "only .lock"
    assert program.here("-resume", run.latest, "-epochs", "3") == 0
    run.assert_same_as(reference)


def test_no_room_for_pictures(
    program: "Program", small: list[str], reference: "Run", tmp_path: Path
) -> None:
    done, run = limited(program, AT_THE_PICTURES, 5_000, small, tmp_path)
    assert str(run.folder / "voltage.png") in done.err or str(run.folder) in done.err
    run.assert_same_checkpoints_as(reference)
    assert run.metrics() == reference.metrics()


def test_no_room_for_metrics(program: "Program", small: list[str], tmp_path: Path) -> None:
    change = """
write_csv = training.write_csv
def full(path, rows):
    if len(rows) == 2:
        limit({size})
    write_csv(path, rows)
training.write_csv = full
"""
    done, run = limited(program, change, 100, small, tmp_path)
    assert str(run.folder / "metrics.csv") in done.err
    assert len(run.metrics()) == 1, "the older table is whole"
    assert Run(run.folder).state()["history"][1]["epoch"] == 2
