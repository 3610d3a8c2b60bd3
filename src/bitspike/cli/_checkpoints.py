"""Which checkpoint a user means."""

from pathlib import Path

from bitspike.cli._parser import UsageError


def checkpoint_path(path: str) -> str:
    """The checkpoint that a user means: a file, or the best one of a run's folder.

    Raises:
        UsageError: if the folder holds none.
    """
    folder = Path(path)
    if not folder.is_dir():
        return path
    for name in ("checkpoint_max.pth", "checkpoint_latest.pth"):
        if (folder / name).is_file():
            return str(folder / name)
    raise UsageError(f"{path} is a folder without a checkpoint_max.pth or checkpoint_latest.pth")
