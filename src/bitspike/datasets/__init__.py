"""Image data sets in memory, and a deterministic iterator over their batches.

    train = MNIST()                     # fetched once, into default_root()
    image, label = train[0]             # float32 [1, 28, 28] in [0, 1], int
    for images, labels in Batches(train, 64, shuffle=True, seed=7, epoch=0, workers=1):
        ...                             # float32 [64, 1, 28, 28], int64 [64]

Another data set in the form of MNIST is a subclass of `ImageDataset` with a `DatasetEntry` that
names its digests and sources. Reading files from the disk needs nothing but PyTorch; fetching them
needs ``pip install "bitspike[data]"``.
"""

from bitspike.datasets._batches import Batches, BatchSource, Encoder
from bitspike.datasets._cache import default_root
from bitspike.datasets._catalogue import DatasetEntry
from bitspike.datasets._errors import DatasetError, DatasetNote, SourceError
from bitspike.datasets._idx import TEST_FILES, TRAIN_FILES, IdxFile, encode_idx, read_idx
from bitspike.datasets._mnist import MNIST, FashionMNIST, ImageDataset, centre_drawing, download
from bitspike.datasets._sources import Mirror, MnistWheel, Source

__all__ = [
    "MNIST",
    "TEST_FILES",
    "TRAIN_FILES",
    "BatchSource",
    "Batches",
    "DatasetEntry",
    "DatasetError",
    "DatasetNote",
    "Encoder",
    "FashionMNIST",
    "IdxFile",
    "ImageDataset",
    "Mirror",
    "MnistWheel",
    "Source",
    "SourceError",
    "centre_drawing",
    "default_root",
    "download",
    "encode_idx",
    "read_idx",
]
