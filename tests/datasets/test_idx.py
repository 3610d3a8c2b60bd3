import gzip
import hashlib
import math
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets import DatasetError
from bitspike.datasets._idx import encode_idx, read_idx

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
    with pytest.raises(DatasetError, match=rf"truncated, 116 of the {16 + math.prod(sizes)}"):
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
