"""The files of a data set that are already under a root."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bitspike.datasets._catalogue import Entry, owner
from bitspike.datasets._errors import DatasetError
from bitspike.datasets._idx import IdxFile, read_idx


def store(root: Path, entry: Entry) -> Path:
    """Where fetched files go."""
    return root / entry.name / "raw"


def folders(root: Path, entry: Entry) -> tuple[Path, ...]:
    """Where files may lie, in the order of search."""
    return (root, store(root, entry), root / "raw")


def find(root: Path, entry: Entry, names: Sequence[str]) -> dict[str, IdxFile]:
    """Read those of the files `names` that are there.

    They come from the first folder that holds them all, else from several, and then only
    official ones are combined. Official files of another data set count as not there, so that
    two data sets can share a root.

    Returns:
        The files by name; some may be missing.

    Raises:
        DatasetError: a file is damaged, or some of the files are the user's own and others
            missing.
    """
    held: dict[str, IdxFile] = {}
    for folder in folders(root, entry):
        here = _read_folder(folder, entry, names)
        if len(here) == len(names):
            return here
        if own := own_files(entry, here):
            raise DatasetError(not_mixed(entry, own, [name for name in names if name not in here]))
        held = here | held
    return held


def own_files(entry: Entry, files: Mapping[str, IdxFile]) -> list[IdxFile]:
    """Those of the files that are not the official ones."""
    return [file for name, file in files.items() if not entry.is_official(name, file.sha256)]


def not_mixed(entry: Entry, own: Sequence[IdxFile], missing: Sequence[str]) -> str:
    """The message for own files that lack a partner."""
    return (
        f"{' and '.join(str(file.path) for file in own)}: not official {entry.name}, and "
        f"{', '.join(missing)} missing in {own[0].path.parent}. Official files are not mixed "
        "with your own: put there what is missing, or move your own away."
    )


def _read_folder(folder: Path, entry: Entry, names: Sequence[str]) -> dict[str, IdxFile]:
    files = {}
    for name in names:
        for spelling in (name, name.replace("-idx", ".idx")):
            for path in (folder / spelling, folder / f"{spelling}.gz"):
                if name in files or not _is_file(path):
                    continue
                file = read_idx(path, ndim=3 if "images" in name else 1)
                if entry.is_official(name, file.sha256) or owner(file.sha256) in (None, entry.name):
                    files[name] = file
    return files


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}).") from error
