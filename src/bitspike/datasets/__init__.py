"""Image data sets in memory, and a deterministic iterator over their batches.

    train = MNIST()                     # fetched once, into default_root()
    image, label = train[0]             # float32 [1, 28, 28] in [0, 1], int
    for images, labels in Batches(train, 64, shuffle=True, seed=7, epoch=0, workers=1):
        ...                             # float32 [64, 1, 28, 28], int64 [64]

Reading files that are there needs nothing but PyTorch; fetching them needs
``pip install "bitspike[data]"``.
"""

from bitspike.datasets._batches import Batches, BatchSource, Encoder
from bitspike.datasets._download import download
from bitspike.datasets._drawing import centre_drawing
from bitspike.datasets._errors import DatasetError, DatasetNote
from bitspike.datasets._image_dataset import ImageDataset
from bitspike.datasets._mnist import MNIST, FashionMNIST
from bitspike.datasets._root import default_root

__all__ = [
    "MNIST",
    "BatchSource",
    "Batches",
    "DatasetError",
    "DatasetNote",
    "Encoder",
    "FashionMNIST",
    "ImageDataset",
    "centre_drawing",
    "default_root",
    "download",
]
