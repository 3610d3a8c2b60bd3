"""All files of a data set, without loading it."""

from pathlib import Path

from bitspike.datasets._catalogue import ENTRIES, TEST, TRAIN
from bitspike.datasets._errors import DatasetError
from bitspike.datasets._find import own_files
from bitspike.datasets._image_dataset import ImageDataset
from bitspike.datasets._obtain import obtain
from bitspike.datasets._root import Root, resolve_root


def download(dataset: str | type[ImageDataset], root: Root = None) -> Path:
    """Make sure that all four official files of a data set are there.

    Args:
        dataset: ``"MNIST"``, ``"FashionMNIST"``, or the class.
        root: as in `ImageDataset`.

    Returns:
        The root, to be given to the data set.

    Raises:
        ValueError: no data set has that name.
        DatasetError: files are damaged, not official, not to be had, or cannot be stored.
        ImportError: files must be fetched and the extra ``bitspike[data]`` is not installed.
    """
    known = {entry.name: entry for entry in ENTRIES}
    if isinstance(dataset, str) and dataset not in known:
        raise ValueError(f"dataset: no {dataset!r}, there are {', '.join(known)}")
    entry = known[dataset] if isinstance(dataset, str) else dataset.entry
    folder = resolve_root(root)
    for names in (TRAIN, TEST):
        if own := own_files(entry, obtain(entry, folder, names, download=True)):
            raise DatasetError(
                f"{' and '.join(str(file.path) for file in own)}: not official {entry.name}. "
                "Move your own files away, or choose another root."
            )
    return folder
