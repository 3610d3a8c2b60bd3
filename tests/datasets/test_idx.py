import gzip
import hashlib
import math
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets import DatasetError, encode_idx, read_idx

shapes = st.lists(st.integers(0, 6), min_size=1, max_size=4)


@given(shape=shapes, seed=st.integers(0, 1000), packed=st.booleans())
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], seed: int, packed: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    array = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    content = encode_idx(array)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(content) if packed else content)

    read = read_idx(path, len(shape))

    assert torch.equal(read.data, array)
    assert read.data.shape == array.shape
    assert read.sha256 == hashlib.sha256(content).hexdigest()
    assert read.path == path


@given(shape=shapes, data=st.data(), packed=st.booleans())
def test_any_other_length_is_refused(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], data: st.DataObject, packed: bool
) -> None:
    content = encode_idx(torch.zeros(shape, dtype=torch.uint8))
    length = data.draw(st.integers(0, len(content) + 5).filter(lambda n: n != len(content)))
    wrong = content[:length] + b"\0" * (length - len(content))
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(wrong) if packed else wrong)
    with pytest.raises(DatasetError, match="truncated" if length < len(content) else "surplus"):
        read_idx(path, len(shape))


def test_header_is_the_published_format() -> None:
    content = encode_idx(torch.arange(6, dtype=torch.uint8).view(2, 3))
    assert content == struct.pack(">III", 0x0802, 2, 3) + bytes(range(6))


@pytest.mark.parametrize("magic", [0x0801, 0x0D03, 0x01000803, 0xFFFFFFFF])
def test_wrong_magic_number(tmp_path: Path, magic: int) -> None:
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">IIII", magic, 1, 1, 1) + b"\0")
    with pytest.raises(DatasetError, match=rf"images: wrong magic number 0x{magic:08x}.*00000803"):
        read_idx(path, 3)


def test_header_that_promises_more_than_fits_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "images"
    sizes = (2**32 - 1, 2**16, 2**16)
    path.write_bytes(struct.pack(">IIII", 0x0803, *sizes) + bytes(100))
    with pytest.raises(DatasetError, match=rf"promises {16 + math.prod(sizes)} bytes"):
        read_idx(path, 3)


@pytest.mark.parametrize("damage", ["cut", "flip", "checksum"])
def test_damaged_gzip(tmp_path: Path, damage: str) -> None:
    generator = torch.Generator().manual_seed(0)
    array = torch.randint(256, (50, 28, 28), dtype=torch.uint8, generator=generator)
    packed = bytearray(gzip.compress(encode_idx(array)))
    if damage == "cut":
        del packed[len(packed) // 2 :]
    elif damage == "flip":
        packed[10:40] = b"\xff" * 30
    else:
        packed[-8] ^= 1
    path = tmp_path / "images.gz"
    path.write_bytes(packed)
    with pytest.raises(DatasetError, match=r"images\.gz: damaged gzip data .* Delete it"):
        read_idx(path, 3)


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere: cannot be read \(No such file"):
        read_idx(tmp_path / "nowhere", 3)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte that says that it is a gigabyte, and would be."""
    read = gzip.GzipFile.read
    seen = 0

    def watched(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        nonlocal seen
        piece = read(self, size)
        seen += len(piece)
        return piece

    path = tmp_path / "train-images-idx3-ubyte.gz"
    header = struct.pack(">BBBB3I", 0, 0, 8, 3, 1_500_000, 28, 28)
    path.write_bytes(gzip.compress(header + bytes(1 << 20)))
    monkeypatch.setattr(gzip.GzipFile, "read", watched)
    with pytest.raises(DatasetError, match=r"promises 1176000016 bytes .* more than the 512 MiB"):
        read_idx(path, 3)
    assert seen == len(header)
    monkeypatch.undo()
    # What is larger than its header says is left at once.
    header = struct.pack(">BBBB3I", 0, 0, 8, 3, 1, 28, 28)
    path.write_bytes(gzip.compress(header + bytes(64 << 20)))
    seen = 0
    monkeypatch.setattr(gzip.GzipFile, "read", watched)
    with pytest.raises(DatasetError, match="surplus bytes"):
        read_idx(path, 3)
    assert seen < 1000
