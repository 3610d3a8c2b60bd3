"""Write files so that a reader, or a kill, never meets a half of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; what was written there then takes its place.

    The content is flushed to the disk before the rename. If the body raises, ``path`` is left as
    it was and the temporary file is removed. Only a killed process leaves one behind, under a
    hidden name that nothing reads.

    Raises:
        OSError: if the folder of ``path`` does not exist or cannot be written.
    """
    path = Path(path)
    descriptor, name = tempfile.mkstemp(
        prefix=f".{path.stem}-", suffix=f".tmp{path.suffix}", dir=path.parent
    )
    temporary = Path(name)
    try:
        os.fchmod(descriptor, 0o666 & ~_umask())
        os.close(descriptor)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
