"""MNIST, Fashion-MNIST, and the form that they share: grey images of 28 x 28 in ten classes."""

import copy
import operator
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, overload

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from bitspike.datasets._cache import Root, load_files, own_files, resolve_root
from bitspike.datasets._catalogue import FASHION_MNIST_ENTRY, MNIST_ENTRY, DatasetEntry
from bitspike.datasets._errors import DatasetError, DatasetNote
from bitspike.datasets._idx import TEST_FILES, TRAIN_FILES, IdxFile

Rows = Sequence[int] | torch.Tensor | npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

_SIDE = 28
_BOX = 20.0  # pixels on a side of the box that MNIST scales a digit to
_CENTRE = 14.5  # the middle of pixel 14
_FAINTEST_INK = 8  # of 255


class ImageDataset(Dataset[tuple[torch.Tensor, int | torch.Tensor]]):
    """Grey images of 28 x 28 pixels in ten classes, held in memory as bytes.

    An integer index gives one item, (float32 [1, 28, 28] in [0, 1], int), as a DataLoader wants
    it. A slice, a list, an index array or a mask gives a batch at once,
    (float32 [B, 1, 28, 28], int64 [B]), which is much faster. Pixels are uint8 / 255.

    Args:
        root: folder with the IDX files, plain or gzipped, in itself, in ``<name>/raw`` or in
            ``raw``; fetched files go to ``<name>/raw``. None means `default_root()`.
        train: True for the training set, False for the test set. Only its two files are needed.
        download: fetch files that are missing. They are verified by SHA-256.

    Attributes:
        images: uint8 [N, 1, 28, 28].
        labels: int64 [N], each in 0..9.
        classes: names of the ten classes.
        train: whether this is the training set.
        official: whether both files are the published ones, bit by bit. If they are not, a
            `DatasetNote` is issued.

    Raises:
        DatasetError: a file is damaged, not in the right form, missing, or cannot be stored.
        ImportError: files must be fetched and the extra ``bitspike[data]`` is not installed.
    """

    entry: ClassVar[DatasetEntry]

    def __init__(self, root: Root = None, train: bool = True, download: bool = True) -> None:
        names = TRAIN_FILES if train else TEST_FILES
        files = load_files(self.entry, resolve_root(root), names, download)
        images, labels = (files[name] for name in names)
        _check_pair(images, labels)
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
        images, labels = self.images.numpy(), self.labels.numpy()
        if isinstance(index, slice):
            return _to_unit(images[index]), torch.from_numpy(labels[index].copy())
        if isinstance(index, torch.Tensor | np.ndarray) and index.ndim == 0:
            index = int(operator.index(index))
        if isinstance(index, Sequence | torch.Tensor | np.ndarray):
            rows = _positions(index, len(self))
            return _to_unit(images.take(rows, axis=0)), torch.from_numpy(labels.take(rows))
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"index {position} is out of range, there are {len(self)} images")
        return _to_unit(images[position]), int(labels[position])

    def head(self, count: int) -> Self:
        """Return the first `count` images, or all if there are fewer, as views of this data set.

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


class MNIST(ImageDataset):
    """Handwritten digits: 60,000 images to train with and 10,000 to test with.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
    recognition, Proceedings of the IEEE 86 (1998). Arguments and attributes are those of
    `ImageDataset`.
    """

    entry = MNIST_ENTRY


class FashionMNIST(ImageDataset):
    """Articles of clothing, in the form and number of MNIST but harder to tell apart.

    H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747 (2017). Arguments and
    attributes are those of `ImageDataset`.
    """

    entry = FASHION_MNIST_ENTRY


def download(dataset: str | type[ImageDataset], root: Root = None) -> Path:
    """Fetch those of the four official files of a data set that are missing.

    Args:
        dataset: ``"MNIST"``, ``"FashionMNIST"``, or the class.
        root: as in `ImageDataset`.

    Returns:
        The root, to be given to the data set.

    Raises:
        ValueError: no data set has that name.
        DatasetError: files are damaged, not official, out of reach, or cannot be stored.
        ImportError: files must be fetched and the extra ``bitspike[data]`` is not installed.
    """
    if isinstance(dataset, str):
        known: dict[str, type[ImageDataset]] = {"MNIST": MNIST, "FashionMNIST": FashionMNIST}
        if dataset not in known:
            raise ValueError(f"dataset: no {dataset!r}, there are {', '.join(known)}")
        dataset = known[dataset]
    folder = resolve_root(root)
    for names in (TRAIN_FILES, TEST_FILES):
        if own := own_files(dataset.entry, load_files(dataset.entry, folder, names, download=True)):
            raise DatasetError(
                f"{' and '.join(str(file.path) for file in own)}: not official "
                f"{dataset.entry.name}. Move your own files away, or choose another root."
            )
    return folder


def centre_drawing(drawing: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Scale a drawing to a box of 20 x 20, with its centre of mass in the middle of pixel (14, 14).

    MNIST's digits stand there to within half a pixel, since their boxes were moved by whole
    pixels. Each pixel is the mean of the area of the drawing that it covers.

    Args:
        drawing: ink ``[H, W]`` of any size; 0 is none.

    Returns:
        The image ``[28, 28]`` in [0, 1]; all zeros for an empty drawing.
    """
    ink = np.where(drawing > _FAINTEST_INK, drawing, 0).astype(np.float64) / 255
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return np.zeros((_SIDE, _SIDE), np.float32)
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    pixel = extent / _BOX  # of the image, in pixels of the drawing
    down, across = _coverage(ink.sum(1), pixel), _coverage(ink.sum(0), pixel)
    return np.clip(down @ ink @ across.T, 0, 1).astype(np.float32)


def _coverage(mass: Floats, pixel: float) -> Floats:
    """Return the share ``[28, N]`` of each pixel of the image that each of N rows covers.

    ``mass`` is the ink in each row (or column), ``pixel`` the size of the image's pixels in rows.
    """
    at = np.arange(len(mass))
    centre = float((mass * (at + 0.5)).sum() / mass.sum())
    edges = centre + (np.arange(_SIDE + 1) - _CENTRE) * pixel
    low = np.maximum(edges[:-1, None], at)
    high = np.minimum(edges[1:, None], at + 1)
    return np.asarray(np.maximum(high - low, 0) / pixel)


def _check_pair(images: IdxFile, labels: IdxFile) -> None:
    """Raise `DatasetError` unless there are N >= 1 images of 28 x 28 and N labels in 0..9."""
    count, *size = images.data.shape
    if size != [_SIDE, _SIDE]:
        raise DatasetError(
            f"{images.path}: images of {size[0]} x {size[1]} pixels, expected 28 x 28. "
            "Convert them, or put another file in its place."
        )
    if count == 0:
        raise DatasetError(f"{images.path}: holds no images. Put another file in its place.")
    if count != len(labels.data):
        raise DatasetError(
            f"{images.path} holds {count} images, but {labels.path} holds {len(labels.data)} "
            "labels. Put files there that belong together."
        )
    if int(labels.data.max()) > 9:
        at = int((labels.data > 9).nonzero()[0])
        raise DatasetError(
            f"{labels.path}: label {int(labels.data[at])} at position {at}, expected 0 to 9. "
            "Put another file in its place."
        )


def _to_unit(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Return pixels / 255 as float32.

    NumPy divides, because it uses one thread: a thread that prepares batches with PyTorch starts
    a second OpenMP team, and that slows the training itself down by a third.
    """
    return torch.from_numpy(np.divide(pixels, np.float32(255), dtype=np.float32, order="C"))


def _positions(index: Rows, count: int) -> npt.NDArray[np.integer[Any]]:
    """Return the index as positions in 0..count - 1."""
    rows = np.asarray(index.cpu() if isinstance(index, torch.Tensor) else index)
    if rows.ndim == 1 and rows.size == 0:
        return rows.astype(np.int64)
    if rows.dtype.kind not in "biu":
        raise TypeError(f"index must hold integers, not {rows.dtype}")
    if rows.ndim != 1:
        raise IndexError(f"index must be one-dimensional, not of shape {list(rows.shape)}")
    if rows.dtype == np.bool_:
        if len(rows) != count:
            raise IndexError(f"the mask has {len(rows)} elements, there are {count} images")
        return np.flatnonzero(rows)
    outside = rows[(rows < -count) | (rows >= count)]
    if outside.size:
        raise IndexError(f"index {outside[0]} is out of range, there are {count} images")
    return rows % count
