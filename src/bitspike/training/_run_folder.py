"""The folder of a run: made for one run alone, and locked as long as that is alive.

Several runs may be started at once in one place, as for a comparison of seeds. Each makes a folder
that was not there, which the system does for one process only. While it is alive it holds the lock
on a file in it, which the system releases when the process ends in whatever way.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from bitspike._files import atomic, naming
from bitspike._terminal import say

LATEST, BEST = "checkpoint_latest.pth", "checkpoint_max.pth"
_LOCK = ".lock"


class RunError(ValueError):
    """A run cannot go on, because another process works in its folder."""


@dataclass(frozen=True)
class Resumed:
    """A checkpoint from which a run goes on, and which file that was when it was looked at.

    Make it before the checkpoint is read: if a process that is alive writes another one
    afterwards, `run_folder` refuses to go on from the older one.
    """

    checkpoint: Path
    stamp: tuple[int, int, int]

    @classmethod
    def of(cls, checkpoint: Path) -> Self:
        """The checkpoint as it is now.

        Raises:
            RunError: if its run is alive.
        """
        _check_ended(checkpoint.parent)
        return cls(checkpoint, _stamp(checkpoint))

    def check_unchanged(self) -> None:
        """Raises RunError if the file is another one by now."""
        if _stamp(self.checkpoint) != self.stamp:
            raise RunError(
                f"{self.checkpoint} was written anew by another process while this one was "
                "starting: try again when that has ended"
            )


@contextmanager
def run_folder(wanted: Path, resumed: Resumed | None) -> Iterator[Path]:
    """The folder in which a run works, and which no other run can take as long as it is entered.

    Args:
        wanted: where the folder shall be; folders above are made.
        resumed: where the run goes on from. If that lies in ``wanted``, the run goes on there.

    Yields:
        The folder. For a new run it was made: ``wanted``, else ``wanted_2``, ``wanted_3`` and so
        on. If another run goes on in it, its checkpoints have been copied.

    Raises:
        RunError: if the run to go on with is alive in another process.
        OSError: if the folder cannot be made or written.
    """
    if resumed is not None and wanted.resolve() == resumed.checkpoint.parent.resolve():
        with naming(wanted), _held(wanted):
            resumed.check_unchanged()
            yield wanted
        return
    if resumed is not None:
        _check_ended(resumed.checkpoint.parent)
        resumed.check_unchanged()
    with _new(wanted) as folder:
        if folder != wanted:
            say(f"{wanted} is the folder of another run. That of this one is {folder}.")
        if resumed is not None:
            # The latest comes last: a folder that has it can be resumed, and then has the best too.
            if (best := resumed.checkpoint.with_name(BEST)).exists():
                _copy(best, folder / BEST)
            _copy(resumed.checkpoint, folder / LATEST)
        yield folder


@contextmanager
def _new(wanted: Path) -> Iterator[Path]:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}_{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        with naming(folder), _held(folder):
            yield folder
        return


@contextmanager
def _held(folder: Path) -> Iterator[None]:
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
    """Raises RunError if the run in ``folder`` is alive; makes and changes nothing there."""
    if not (folder / _LOCK).exists():  # made by an older version, or a copy
        return
    try:
        with _held(folder):
            pass
    except OSError:  # another user's, or on a disk that is read only: nobody can be asked
        return


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except (OSError, ValueError):  # who reads it will say so
        return (0, 0, 0)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)
