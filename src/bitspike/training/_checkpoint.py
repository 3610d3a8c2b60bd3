"""Checkpoints that survive a kill and say what is wrong with them."""

import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from bitspike._files import atomic

_FORMAT = "bitspike checkpoint 1"


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or made by another program."""


def save_checkpoint(path: str | os.PathLike[str], program: str, content: dict[str, Any]) -> None:
    """Writes ``content`` to a temporary file, flushes it, and renames it to ``path``.

    Args:
        path: where to.
        program: name of the program that can read it again.
        content: tensors, numbers, strings, lists and dicts: what ``weights_only=True`` can load.

    Raises:
        OSError: if the file cannot be written; an older ``path`` is kept then.
    """
    with atomic(path) as temporary:
        torch.save({"format": _FORMAT, "program": program, **content}, temporary)


def load_checkpoint(path: str | os.PathLike[str], program: str | None = None) -> dict[str, Any]:
    """The content that `save_checkpoint` wrote, on the CPU.

    No code in the file is run (``weights_only=True``).

    Args:
        path: where from.
        program: name of the program that must have written it; None is any, see
            ``content["program"]``.

    Raises:
        CheckpointError: if the file is missing, cut off, no checkpoint of bitspike's, or made by
            another program; the message says which.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"checkpoint {path} does not exist")
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} is not a file")
    try:
        _verify(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged pickle raises can be anything
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(
            f"checkpoint {path} cannot be read: it is damaged, cut off, or no checkpoint ({reason})"
        ) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint that this version of bitspike wrote")
    if program is not None and content["program"] != program:
        raise CheckpointError(
            f"checkpoint {path} was written by the program {content['program']!r}, not {program!r}"
        )
    return content


def _verify(path: Path) -> None:
    """Raises BadZipFile where a checksum is wrong: torch does not look at those of tensors."""
    with zipfile.ZipFile(path) as archive:
        if (entry := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {entry}")
