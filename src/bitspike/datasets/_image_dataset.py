"""What all data sets in the form of MNIST share."""

import copy
import operator
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Self, overload

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from bitspike.datasets._catalogue import TEST, TRAIN, Entry
from bitspike.datasets._errors import DatasetNote
from bitspike.datasets._find import own_files
from bitspike.datasets._obtain import check_pair, obtain
from bitspike.datasets._root import Root, resolve_root

Rows = Sequence[int] | torch.Tensor | npt.NDArray[np.integer[Any]]


class ImageDataset(Dataset[tuple[torch.Tensor, int | torch.Tensor]]):
    """Grey images of 28 x 28 pixels in ten classes, held in memory as bytes.

    An integer index gives one item, (float32 [1, 28, 28] in [0, 1], int), as a DataLoader wants
    it. A slice, a list, an index array or a mask gives a batch at once,
    (float32 [B, 1, 28, 28], int64 [B]), which is much faster. Pixels are uint8 / 255.

    Args:
        root: folder with the IDX files, plain or gzipped, in itself, in ``<name>/raw`` or in
            ``raw``; fetched files go to ``<name>/raw``. None means `default_root()`.
        train: the training set, or else the test set. Only its two files are needed.
        download: fetch files that are missing. They are verified by SHA-256.

    Attributes:
        images: uint8 [N, 1, 28, 28].
        labels: int64 [N], each in 0..9.
        classes: names of the ten classes.
        train: whether it is the training set.
        official: whether both files are the published ones, bit by bit. If they are not, a
            `DatasetNote` is issued.

    Raises:
        DatasetError: a file is damaged, not in the right form, missing, or cannot be stored.
        ImportError: files must be fetched and the extra ``bitspike[data]`` is not installed.
    """

    entry: ClassVar[Entry]

    def __init__(self, root: Root = None, train: bool = True, download: bool = True) -> None:
        names = TRAIN if train else TEST
        files = obtain(self.entry, resolve_root(root), names, download)
        images, labels = (files[name] for name in names)
        check_pair(images, labels)
        self.train = train
        self.images = images.data.unsqueeze(1)
        self.labels = labels.data.long()
        self.classes = self.entry.classes
        own = own_files(self.entry, files)
        self.official = not own
        if own:
            warnings.warn(
                f"{' and '.join(str(file.path) for file in own)}: accepted, but not the official "
                f"{'file' if len(own) == 1 else 'files'} of {self.entry.name}; "
                "results do not compare with published ones.",
                DatasetNote,
                stacklevel=2,
            )

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]: ...
    @overload
    def __getitem__(self, index: slice | Rows) -> tuple[torch.Tensor, torch.Tensor]: ...
    def __getitem__(self, index: int | slice | Rows) -> tuple[torch.Tensor, int | torch.Tensor]:
        if isinstance(index, slice):
            labels = torch.from_numpy(self.labels.numpy()[index].copy())
            return _unit(self.images.numpy()[index]), labels
        if isinstance(index, torch.Tensor | np.ndarray) and index.ndim == 0:
            index = int(operator.index(index))
        if isinstance(index, Sequence | torch.Tensor | np.ndarray):
            rows = _rows(index, len(self)).numpy()
            labels = torch.from_numpy(self.labels.numpy().take(rows))
            return _unit(self.images.numpy().take(rows, axis=0)), labels
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"index {position} is out of range, there are {len(self)} images")
        return _unit(self.images[position].numpy()), int(self.labels[position])

    def head(self, count: int) -> Self:
        """A data set of the first `count` images, or of all if there are fewer.

        It shares the memory of this one.

        Raises:
            ValueError: `count` is less than 1.
        """
        if count < 1:
            raise ValueError(f"count is {count}, must be at least 1")
        part = copy.copy(self)
        part.images, part.labels = self.images[:count], self.labels[:count]
        return part

    def __repr__(self) -> str:
        split = "train" if self.train else "test"
        return f"{type(self).__name__}({split}, {len(self)} images, official={self.official})"


def _unit(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Pixels / 255 as float32.

    By NumPy, because it uses one thread: a thread that prepares batches with PyTorch brings a
    second OpenMP team to life, and that slows the training itself down by a third.
    """
    return torch.from_numpy(np.divide(pixels, np.float32(255), dtype=np.float32, order="C"))


def _rows(index: Rows, count: int) -> torch.Tensor:
    """The index as int64 positions in 0..count - 1."""
    rows = torch.as_tensor(index).cpu()
    if rows.ndim != 1:
        raise IndexError(f"index must be one-dimensional, not of shape {list(rows.shape)}")
    if rows.numel() == 0:
        return rows.long()
    if rows.dtype == torch.bool:
        if len(rows) != count:
            raise IndexError(f"the mask has {len(rows)} elements, there are {count} images")
        return rows.nonzero().squeeze(1)
    if rows.is_floating_point() or rows.is_complex():
        raise TypeError(f"index must hold integers, not {rows.dtype}")
    rows = rows.long()
    low, high = (int(end) for end in rows.aminmax())
    if low < -count or high >= count:
        wrong = low if low < -count else high
        raise IndexError(f"index {wrong} is out of range, there are {count} images")
    return torch.where(rows < 0, rows + count, rows) if low < 0 else rows
