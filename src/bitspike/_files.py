"""Write files so that a reader, a kill, or a full disk never meets or leaves half of one."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and move the file written there to ``path``.

    The content is flushed to the disk before the rename. If the body raises, ``path`` stays as it
    was and the temporary file is removed. Only a killed process leaves one behind, under a hidden
    name that nothing reads.

    Raises:
        OSError: the folder of ``path`` does not exist or cannot be written, or the disk is full;
            the error names ``path``.
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
        with suppress(OSError):  # the error under way says more
            temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path, instead_of: Path | None = None) -> Iterator[None]:
    """Name ``path`` in errors of the system that name no file, or ``instead_of``.

    A failing write does not know the name of its file, and a user not that of a temporary one.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(instead_of):
            raise
        if error.errno is None:  # of NumPy and Pillow
            raise OSError(f"{path}: cannot be written ({error})") from error
        raise OSError(error.errno, error.strerror or os.strerror(error.errno), str(path)) from error
