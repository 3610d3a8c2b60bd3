"""Small data sets of the tests' own."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
import torch

from bitspike.datasets import (
    TEST_FILES,
    TRAIN_FILES,
    DatasetEntry,
    ImageDataset,
    Source,
    SourceError,
    encode_idx,
)


def make_files(train: int = 7, test: int = 3) -> dict[str, bytes]:
    """The four IDX files of a data set of random pixels; the labels count up."""
    generator = torch.Generator().manual_seed(1)
    files = {}
    for count, (images, labels) in ((train, TRAIN_FILES), (test, TEST_FILES)):
        pixels = torch.randint(256, (count, 28, 28), dtype=torch.uint8, generator=generator)
        files[images] = encode_idx(pixels)
        files[labels] = encode_idx((torch.arange(count) % 10).to(torch.uint8))
    return files


@pytest.fixture
def files() -> dict[str, bytes]:
    """The four files of a small data set, by name."""
    return make_files()


@dataclass
class FakeSource:
    """A source that gives `files`, then fails with `error`, and remembers what was asked of it."""

    label: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    error: str | None = None
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __str__(self) -> str:
        return self.label

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        self.asked.append(tuple(names))
        for name in names:
            if name in self.files:
                yield name, self.files[name]
        if self.error is not None:
            raise SourceError(self.error)


class MakeSource(Protocol):
    def __call__(
        self, label: str, files: Mapping[str, bytes] = ..., error: str | None = ...
    ) -> FakeSource: ...


@pytest.fixture
def source() -> MakeSource:
    """Makes a `FakeSource`."""
    return FakeSource


@pytest.fixture
def tiny(files: dict[str, bytes]) -> Callable[..., type[ImageDataset]]:
    """Makes a data set whose official files are `files`, to be had from the given sources."""

    def make(*sources: Source) -> type[ImageDataset]:
        class Tiny(ImageDataset):
            entry = DatasetEntry(
                name="Tiny",
                classes=tuple("abcdefghij"),
                sha256={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
                sources=sources,
                advice="Ask a friend.",
            )

        return Tiny

    return make


@pytest.fixture
def own_root(tmp_path: Path, files: dict[str, bytes]) -> Path:
    """A root that holds a user's own four files."""
    root = tmp_path / "own"
    root.mkdir()
    for name, content in files.items():
        (root / name).write_bytes(content)
    return root
