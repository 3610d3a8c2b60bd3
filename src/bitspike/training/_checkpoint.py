"""Checkpoints that survive a kill and say what is wrong with them."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from bitspike._files import atomic

_FORMAT = "bitspike checkpoint 1"


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or made by another program."""


def save_checkpoint(path: str | os.PathLike[str], program: str, content: dict[str, Any]) -> None:
    """Write ``content`` to a temporary file, flush it, and rename it to ``path``.

    Args:
        path: where to write.
        program: name of the program that can read it again.
        content: tensors, numbers, strings, lists and dicts: what ``weights_only=True`` can load.

    Raises:
        OSError: if the file cannot be written, as on a full disk; an older ``path`` is kept then.
    """
    with atomic(path) as temporary, temporary.open("wb") as file:
        watched = _Watched(file)
        try:
            whole = {"format": _FORMAT, "program": program, **content}
            torch.save(whole, cast("BinaryIO", watched))
        except RuntimeError:  # torch's word for a write that failed, whatever the reason
            if watched.failure is None:
                raise
            raise watched.failure from None


def load_checkpoint(path: str | os.PathLike[str], program: str | None = None) -> dict[str, Any]:
    """Return the content that `save_checkpoint` wrote, on the CPU.

    No code in the file is run (``weights_only=True``).

    Args:
        path: the checkpoint.
        program: name of the program that must have written it; None allows any, which is
            ``content["program"]``.

    Raises:
        CheckpointError: if the file is missing, cut off, not a checkpoint of bitspike, or made by
            another program; the message says which.
    """
    path = Path(path)
    try:
        exists, is_file = path.exists(), path.is_file()
    except OSError as error:  # a name too long, a folder that is locked
        raise CheckpointError(
            f"checkpoint {path} cannot be read: {error.strerror or error}"
        ) from error
    if not exists:
        raise CheckpointError(f"checkpoint {path} does not exist")
    if not is_file:
        raise CheckpointError(f"checkpoint {path} is not a file")
    try:
        _verify(path)
        loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        reason = str(error).strip().split("\n")[0]
        if isinstance(error, pickle.UnpicklingError):  # torch's advice is to trust the file
            reason = "it holds what is neither tensor, number nor text"
        raise CheckpointError(
            f"checkpoint {path} cannot be read: it is damaged, cut off, or no checkpoint ({reason})"
        ) from error
    content: dict[str, Any] = loaded if isinstance(loaded, dict) else {}
    form = content.get("format")
    if not isinstance(form, str) or form != _FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint that this version of bitspike wrote")
    if not isinstance(content.get("program"), str):
        raise CheckpointError(f"checkpoint {path} does not say which program wrote it")
    if program is not None and content["program"] != program:
        raise CheckpointError(
            f"checkpoint {path} was written by the program {content['program']!r}, not {program!r}"
        )
    return content


class _Watched:
    """A file that remembers why a write failed, which torch forgets."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _verify(path: Path) -> None:
    """Raise BadZipFile if the file could do harm, or a checksum is wrong.

    torch stores without compression, so that a file which unpacks to more than itself is not one of
    torch's. The checksums of tensors are checked here because torch does not.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise zipfile.BadZipFile("its entries are compressed")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise zipfile.BadZipFile("its entries overlap")
        if (name := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {name}")
