"""Write files so that a reader, or a kill, or a full disk, never leaves a half of one."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; what was written there then takes its place.

    The content is flushed to the disk before the rename. If the body raises, ``path`` is left as
    it was and the temporary file is removed. Only a killed process leaves one behind, under a
    hidden name that nothing reads.

    Raises:
        OSError: if the folder of ``path`` does not exist or cannot be written, or the disk is
            full; the error names ``path``.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}.tmp{path.suffix}")
    try:
        with naming(path, instead_of=temporary):
            # Opened by os.open, so that the file gets the permissions of any other new file.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with suppress(OSError):  # the error that is on its way says more
            temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path, instead_of: Path | None = None) -> Iterator[None]:
    """Has errors of the system name ``path`` that name no file, or ``instead_of``.

    A write that fails knows nothing of the file's name, and a user nothing of a temporary one.
    """
    try:
        yield
    except OSError as error:
        ours = {None} if instead_of is None else {None, str(instead_of)}
        name = error.filename
        if (None if name is None else str(name)) not in ours:
            raise
        if error.errno is None:  # NumPy's and Pillow's own
            raise OSError(f"{path}: cannot be written ({error})") from error
        raise OSError(error.errno, error.strerror or os.strerror(error.errno), str(path)) from error
