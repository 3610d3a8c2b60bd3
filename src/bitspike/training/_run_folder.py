"""The folder of a run: made for this run only, and locked as long as the run is alive.

Several runs may start at once in the same place, as for a comparison of seeds. Each makes a folder
that was not there, which the system lets only one process do. While the run is alive it holds the
lock on a file in that folder; the system releases the lock when the process ends in whatever way.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

from bitspike._files import atomic, naming
from bitspike._terminal import say
from bitspike.training._options import BaseOptions, OptionError

LATEST = "checkpoint_latest.pth"
BEST = "checkpoint_max.pth"
_LOCK = ".lock"


class RunError(ValueError):
    """A run cannot go on, because another process works in its folder."""


def find_checkpoint(folder: Path) -> Path | None:
    """Return the best checkpoint of a run's folder, else its latest one, else None."""
    paths = (folder / name for name in (BEST, LATEST))
    return next((path for path in paths if path.is_file()), None)


@dataclass(frozen=True)
class Resumed:
    """A checkpoint from which a run goes on, and which file that was when it was looked at.

    Make it before the checkpoint is read: if another process writes a newer checkpoint afterwards,
    `run_folder` refuses to go on from the older one.
    """

    checkpoint: Path
    stamp: tuple[int, int, int]

    @classmethod
    def of(cls, checkpoint: str | Path) -> Self:
        """Return the checkpoint as it is now.

        Raises:
            RunError: if its run is alive.
        """
        checkpoint = Path(checkpoint)
        _check_ended(checkpoint.parent)
        return cls(checkpoint, _stamp(checkpoint))

    def check_unchanged(self) -> None:
        """Raise RunError if another file has taken its place."""
        if _stamp(self.checkpoint) != self.stamp:
            raise RunError(
                f"{self.checkpoint} was written anew by another process while this one was "
                "starting: try again when that has ended"
            )


def wanted_folder(out_dir: str, name: str, given: frozenset[str], resumed: Resumed | None) -> Path:
    """Return the folder that a run asks for, without making it.

    That is ``name`` in ``out_dir``; a resumed run stays where it was if no ``-out-dir`` was given.

    Raises:
        OptionError: if the folder cannot be made or written, naming the obstacle.
    """
    folder = Path(out_dir) / name
    if resumed is not None and "out_dir" not in given:
        folder = resumed.checkpoint.parent
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise OptionError(f"-out-dir {folder}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OptionError(f"-out-dir {folder}: no permission to write in {existing}")
    return folder


@contextmanager
def run_folder(wanted: Path, resumed: Resumed | None) -> Iterator[Path]:
    """Yield the folder in which a run works, and which no other run can take while it is entered.

    Args:
        wanted: the folder that is asked for; its parents are made.
        resumed: the checkpoint to go on from. If it lies in ``wanted``, the run goes on there.

    Yields:
        The folder. A new run makes it: ``wanted``, else ``wanted_2``, ``wanted_3`` and so on. If
        another run goes on in it, its checkpoints have been copied.

    Raises:
        RunError: if the run to go on with is alive in another process.
        OSError: if the folder cannot be made or written.
    """
    if resumed is not None and wanted.resolve() == resumed.checkpoint.parent.resolve():
        with naming(wanted), _locked(wanted):
            resumed.check_unchanged()
            yield wanted
        return
    if resumed is not None:
        _check_ended(resumed.checkpoint.parent)
        resumed.check_unchanged()
    folder = _make(wanted)
    with naming(folder), _locked(folder):
        if folder != wanted:
            say(f"{wanted} is the folder of another run. That of this one is {folder}.")
        if resumed is not None:
            # The latest comes last: a folder that has it can be resumed, and then has the best too.
            if (best := resumed.checkpoint.with_name(BEST)).exists():
                _copy(best, folder / BEST)
            _copy(resumed.checkpoint, folder / LATEST)
        yield folder


def write_args(folder: Path, options: BaseOptions) -> None:
    """Append the options and the command to ``args.txt``."""
    path = folder / "args.txt"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    command = " ".join(sys.argv).replace("\n", " ")
    text = f"{before}{options.as_text()}command: {command}\n\n"
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _make(wanted: Path) -> Path:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}_{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError  # count does not end


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(
            f"the run in {folder} is alive in another process: wait until it has ended, or stop it"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _check_ended(folder: Path) -> None:
    """Raise RunError if the run in ``folder`` is alive; make and change nothing there."""
    if not (folder / _LOCK).exists():  # made by an older version, or a copy
        return
    try:
        with _locked(folder):
            pass
    except OSError:  # the lock cannot be opened: another user's, or on a read-only disk
        return


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError):  # reading the file will report it
        return (0, 0, 0)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)
