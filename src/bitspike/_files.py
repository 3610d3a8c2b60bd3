"""Write files so that a reader, or a kill, never meets a half of one."""

import os
import uuid
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
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.tmp{path.suffix}")
    try:
        # Opened by os.open, so that the file gets the permissions of any other new file.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
