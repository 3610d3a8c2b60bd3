"""The files of a data set on the disk: where they lie, and fetching those that are missing."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bitspike._extras import require
from bitspike._files import atomic
from bitspike._terminal import printable
from bitspike.datasets._catalogue import ENTRIES, DatasetEntry
from bitspike.datasets._errors import DatasetError, SourceError
from bitspike.datasets._idx import TEST_FILES, TRAIN_FILES, IdxFile, read_idx
from bitspike.datasets._sources import Source

Root = str | os.PathLike[str] | None

_VARIABLE = "BITSPIKE_DATA"


def default_root() -> Path:
    """Return the folder for data sets: ``$BITSPIKE_DATA``, else one in the user's cache folder.

    The folder need not exist yet.

    Raises:
        ImportError: ``$BITSPIKE_DATA`` is not set and platformdirs is not installed.
    """
    if chosen := os.environ.get(_VARIABLE):
        return Path(chosen).expanduser()
    purpose = f"a default data folder (root=None, {_VARIABLE} not set)"
    require("platformdirs", extra="data", purpose=purpose)
    import platformdirs

    return Path(platformdirs.user_cache_dir("bitspike", appauthor=False)) / "datasets"


def resolve_root(root: Root) -> Path:
    """Return `root` with ``~`` expanded, or `default_root` for None."""
    return default_root() if root is None else Path(root).expanduser()


def own_files(entry: DatasetEntry, files: Mapping[str, IdxFile]) -> list[IdxFile]:
    """Return the files that are not the official ones."""
    return [file for name, file in files.items() if file.sha256 != entry.sha256[name]]


def load_files(
    entry: DatasetEntry, root: Path, names: tuple[str, str], download: bool
) -> dict[str, IdxFile]:
    """Read the files `names` of one split. If some are missing and `download`, fetch them first.

    Missing files of the other split are fetched along with them.
    """
    files = _find(root, entry, names)
    missing = [name for name in names if name not in files]
    if not missing:
        return files
    if not download:
        raise DatasetError(
            f"{entry.name}: {', '.join(missing)} not found in "
            f"{', '.join(map(str, _folders(root, entry)))}; files of another data set do not "
            "count. Put the files there (they may end in .gz), or have them fetched: download=True."
        )
    others = _find(root, entry, TEST_FILES if names == TRAIN_FILES else TRAIN_FILES)
    if own := own_files(entry, others):
        raise _mixture(entry, own, missing)
    wanted = dict.fromkeys((*names, *TRAIN_FILES, *TEST_FILES))
    _fetch(entry, [name for name in wanted if name not in files | others], root)
    return _find(root, entry, names)


def _folders(root: Path, entry: DatasetEntry) -> tuple[Path, Path, Path]:
    """Return the folders to search, in this order. Fetched files go to the second one."""
    return root, root / entry.name / "raw", root / "raw"


def _find(root: Path, entry: DatasetEntry, names: Sequence[str]) -> dict[str, IdxFile]:
    """Read the files `names` from the first folder that holds them all.

    Without such a folder, return the official ones that are in any of them.
    """
    files: dict[str, IdxFile] = {}
    for folder in _folders(root, entry):
        here = _read_folder(folder, entry, names)
        if len(here) == len(names):
            return here
        if own := own_files(entry, here):
            raise _mixture(entry, own, [name for name in names if name not in here])
        files = here | files
    return files


def _read_folder(folder: Path, entry: DatasetEntry, names: Sequence[str]) -> dict[str, IdxFile]:
    """Read the files `names` of a folder, except official files of other data sets."""
    others = [other.sha256.values() for other in ENTRIES if other.name != entry.name]
    files = {}
    for name in names:
        stems = (name, name.replace("-idx", ".idx"))
        for path in (folder / f"{stem}{suffix}" for stem in stems for suffix in ("", ".gz")):
            if name not in files and _is_file(path):
                file = read_idx(path, ndim=3 if "images" in name else 1)
                if not any(file.sha256 in digests for digests in others):
                    files[name] = file
    return files


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _mixture(entry: DatasetEntry, own: Sequence[IdxFile], missing: Sequence[str]) -> DatasetError:
    return DatasetError(
        f"{' and '.join(str(file.path) for file in own)}: not official {entry.name}, and "
        f"{', '.join(missing)} missing in {own[0].path.parent}. Official files are not mixed "
        "with your own: put the missing files there, or move your own away."
    )


def _fetch(entry: DatasetEntry, names: Sequence[str], root: Path) -> None:
    """Store the files `names`, verified, from the first source that has them.

    A source that fails in the middle leaves what it gave; the next one is asked for the rest.
    """
    require("pooch", "rich", extra="data", purpose=f"the download of {entry.name}")
    folder = _folders(root, entry)[1]
    with _storing(folder):  # before anything is fetched
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    missing, reasons = list(names), []
    for source in entry.sources:
        _report(f"{entry.name}: trying {source}")
        try:
            _take(source, entry, missing, folder)
        except SourceError as error:
            _report(f"{entry.name}: failed: {error}")
            reasons.append(f"  - {source}: {error}")
        else:
            _report(f"{entry.name}: verified and stored in {folder}")
            return
    raise DatasetError(
        f"{entry.name}: {', '.join(missing)} could not be fetched. Tried:\n"
        + "\n".join(reasons)
        + f"\nPut the files (or the same with .gz) into {folder}, or name the folder that holds "
        + f"them: root=... {entry.advice}".rstrip()
    )


def _take(source: Source, entry: DatasetEntry, missing: list[str], folder: Path) -> None:
    """Store the files that a source gives, and remove their names from `missing`."""
    for name, content in source.fetch(tuple(missing)):
        digest = hashlib.sha256(content).hexdigest()
        if digest != entry.sha256[name]:
            raise SourceError(f"{name}: SHA-256 is {digest}, expected {entry.sha256[name]}")
        with _storing(folder / name), atomic(folder / name) as temporary:
            temporary.write_bytes(content)
        missing.remove(name)
    if missing:
        raise SourceError(f"has no {', '.join(missing)}")


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turn an error of the system into a `DatasetError` that names `path` and the cure."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        cure = f"Choose another folder: root=..., or the environment variable {_VARIABLE}."
        raise DatasetError(f"{path}: cannot be written to ({reason}). {cure}") from error


def _report(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)  # noqa: T201 -- progress for the user
