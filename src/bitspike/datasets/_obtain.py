"""The two files of a split: found or fetched, and checked."""

from pathlib import Path

from bitspike.datasets._catalogue import TEST, TRAIN, Entry
from bitspike.datasets._errors import DatasetError
from bitspike.datasets._fetch import fetch
from bitspike.datasets._find import find, folders, not_mixed, own_files, store
from bitspike.datasets._idx import IdxFile


def obtain(entry: Entry, root: Path, names: tuple[str, str], download: bool) -> dict[str, IdxFile]:
    """Read the files `names` of one split; fetch them first if need be and `download`.

    Where nothing is there, the files of the other split are fetched too.

    Raises:
        DatasetError: a file is damaged, missing, or cannot be stored.
        ImportError: files must be fetched and the extra ``bitspike[data]`` is not installed.
    """
    files = find(root, entry, names)
    missing = [name for name in names if name not in files]
    if not missing:
        return files
    searched = ", ".join(map(str, folders(root, entry)))
    if not download:
        raise DatasetError(
            f"{entry.name}: {', '.join(missing)} not found in {searched}; "
            "files of another data set do not count. "
            "Put the files there (they may end in .gz), or let them be fetched: download=True."
        )
    others = find(root, entry, TEST if names == TRAIN else TRAIN)
    if own := own_files(entry, others):
        raise DatasetError(not_mixed(entry, own, missing))
    wanted = [name for name in (*names, *TRAIN, *TEST) if name not in files | others]
    fetch(entry, list(dict.fromkeys(wanted)), store(root, entry))
    return find(root, entry, names)


def check_pair(images: IdxFile, labels: IdxFile) -> None:
    """Check that these are N >= 1 images of 28 x 28 and N labels in 0..9.

    Raises:
        DatasetError: they are not.
    """
    count, *size = images.data.shape
    if size != [28, 28]:
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
