"""The IDX format: a magic number, the sizes as big-endian uint32, then the bytes."""

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import torch

from bitspike.datasets._errors import DatasetError

_UNSIGNED_BYTE = 0x08
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
_LARGEST = 512 << 20  # bytes: 680,000 images of 28 x 28
_ADVICE = "Delete it, so that it can be fetched again, or put an undamaged file in its place."


@dataclass(frozen=True)
class IdxFile:
    """One IDX file, read.

    Attributes:
        path: where it was read from.
        data: uint8 tensor of the shape that the header gives.
        sha256: of the unpacked file, in hexadecimal.
    """

    path: Path
    data: torch.Tensor
    sha256: str


def encode_idx(array: torch.Tensor) -> bytes:
    """The IDX file of a uint8 tensor of one to 255 dimensions."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + array.contiguous().numpy().tobytes()


def read_idx(path: Path, ndim: int) -> IdxFile:
    """Read an IDX file of unsigned bytes, gzipped or not (told by its content, not its name).

    Args:
        path: the file.
        ndim: number of dimensions it must have: 3 for images, 1 for labels.

    Raises:
        DatasetError: unreadable, damaged gzip, wrong magic number, too short or too long.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if not packed:
                return _parse(path, file, ndim)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _parse(path, cast("BinaryIO", unpacked), ndim)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path}: damaged gzip data ({error}). {_ADVICE}") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _parse(path: Path, stream: BinaryIO, ndim: int) -> IdxFile:
    magic = bytes((0, 0, _UNSIGNED_BYTE, ndim))
    header_size = len(magic) + 4 * ndim
    content = bytearray(stream.read(header_size))
    if len(content) >= len(magic) and content[: len(magic)] != magic:
        raise DatasetError(
            f"{path}: wrong magic number 0x{content[: len(magic)].hex()}, expected "
            f"0x{magic.hex()} (an IDX file of unsigned bytes with {ndim} "
            f"dimension{'s' if ndim > 1 else ''}). {_ADVICE}"
        )
    if len(content) < header_size:
        raise DatasetError(
            f"{path}: truncated, {len(content)} bytes where the header alone has {header_size}. "
            f"{_ADVICE}"
        )
    shape = struct.unpack_from(f">{ndim}I", content, len(magic))
    size = header_size + math.prod(shape)
    if size > _LARGEST:  # what is packed may be small and unpack to all of that
        raise DatasetError(
            f"{path}: its header promises {size} bytes (shape {list(shape)}), more than the "
            f"{_LARGEST >> 20} MiB that a data set may have. {_ADVICE}"
        )
    # One byte more than the header promises, to notice surplus ones; in pieces, because a damaged
    # header may promise more than is there.
    while len(content) <= size:
        piece = stream.read(min(_CHUNK, size + 1 - len(content)))
        if not piece:
            break
        content += piece
    promised = f"{size} bytes that its header promises (shape {list(shape)})"
    if len(content) < size:
        raise DatasetError(
            f"{path}: truncated, {len(content)} of the {promised} are there. {_ADVICE}"
        )
    if len(content) > size:
        raise DatasetError(f"{path}: surplus bytes after the {promised}. {_ADVICE}")
    # torch.frombuffer refuses an offset at the very end.
    data = (
        torch.frombuffer(content, dtype=torch.uint8, offset=header_size)
        if size > header_size
        else torch.empty(0, dtype=torch.uint8)
    )
    return IdxFile(path, data.view(shape), hashlib.sha256(content).hexdigest())
