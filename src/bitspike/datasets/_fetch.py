"""Get missing files from the first source that has them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from bitspike._extras import require
from bitspike.datasets._catalogue import Entry
from bitspike.datasets._errors import DatasetError
from bitspike.datasets._screen import Screen
from bitspike.datasets._sources import Source, SourceError
from bitspike.datasets._store import prepare_folder, write_whole


def fetch(entry: Entry, names: Sequence[str], folder: Path) -> None:
    """Get the files `names`, verify them and put them into `folder`.

    A source that fails in the middle leaves what it gave; the next one is asked for the rest.

    Raises:
        DatasetError: no source has them, or the folder cannot be written to.
        ImportError: the extra ``bitspike[data]`` is not installed.
    """
    require("pooch", "rich", extra="data", purpose=f"the download of {entry.name}")
    prepare_folder(folder)
    screen = Screen()
    missing = list(names)
    reasons = []
    for source in entry.sources:
        screen.say(f"{entry.name}: trying {source.label}")
        try:
            _take(source, entry, missing, folder, screen)
        except SourceError as error:
            screen.say(f"{entry.name}: no luck there: {error}")
            reasons.append(f"  - {source.label}: {error}")
        else:
            screen.say(f"{entry.name}: verified and stored in {folder}")
            return
    raise DatasetError(
        f"{entry.name}: {', '.join(missing)} could not be had. Tried:\n"
        + "\n".join(reasons)
        + f"\nPut the files (or the same with .gz) into {folder}, or name the folder that holds "
        + f"them: root=... {entry.advice}".rstrip()
    )


def _take(source: Source, entry: Entry, missing: list[str], folder: Path, screen: Screen) -> None:
    """Take what a source gives, and strike it off `missing`."""
    for name, content in source.fetch(tuple(missing), screen):
        digest = hashlib.sha256(content).hexdigest()
        if not entry.is_official(name, digest):
            raise SourceError(f"{name}: SHA-256 is {digest}, expected {entry.sha256[name]}")
        write_whole(folder / name, content)
        missing.remove(name)
    if missing:
        raise SourceError(f"has no {', '.join(missing)}")
