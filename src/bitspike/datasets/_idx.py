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

TRAIN_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST_FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

_UNSIGNED_BYTE = 0x08
_GZIP = b"\x1f\x8b"
_LARGEST = 512 << 20  # bytes: 680,000 images of 28 x 28
_ADVICE = "Delete it, so that it can be fetched again, or put an undamaged file in its place."


@dataclass(frozen=True)
class IdxFile:
    """The content of an IDX file.

    Attributes:
        path: the file.
        data: uint8 tensor of the shape in the header.
        sha256: SHA-256 of the unpacked file, in hexadecimal.
    """

    path: Path
    data: torch.Tensor
    sha256: str


def encode_idx(array: torch.Tensor) -> bytes:
    """Return the IDX file of a uint8 tensor of one to 255 dimensions."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + array.contiguous().numpy().tobytes()


def read_idx(path: Path, ndim: int) -> IdxFile:
    """Read an IDX file of unsigned bytes, gzipped or not (its content tells, not its name).

    Args:
        path: the file.
        ndim: required number of dimensions: 3 for images, 1 for labels.

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
    if size > _LARGEST:  # a small packed file may unpack to all of that
        raise DatasetError(
            f"{path}: its header promises {size} bytes (shape {list(shape)}), more than the "
            f"{_LARGEST >> 20} MiB that a data set may have. {_ADVICE}"
        )
    content += stream.read(size + 1 - header_size)  # one more byte reveals surplus ones
    promised = f"{size} bytes that its header promises (shape {list(shape)})"
    if len(content) < size:
        raise DatasetError(
            f"{path}: truncated, {len(content)} of the {promised} are there. {_ADVICE}"
        )
    if len(content) > size:
        raise DatasetError(f"{path}: surplus bytes after the {promised}. {_ADVICE}")
    data = torch.frombuffer(content, dtype=torch.uint8)[header_size:].view(shape)
    return IdxFile(path, data, hashlib.sha256(content).hexdigest())
