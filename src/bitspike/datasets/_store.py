"""Files that appear whole or not at all."""

import tempfile
from pathlib import Path

from bitspike._files import atomic
from bitspike.datasets._errors import DatasetError

_ADVICE = "Choose another folder: root=..., or the environment variable BITSPIKE_DATA."


def prepare_folder(folder: Path) -> None:
    """Make a folder and see whether files can be written into it, before they are fetched.

    Raises:
        DatasetError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(f"{folder}: cannot be written to ({reason}). {_ADVICE}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it, however many processes write it.

    Raises:
        DatasetError: it cannot be written.
    """
    try:
        with atomic(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(f"{path}: cannot be written ({reason}). {_ADVICE}") from error
