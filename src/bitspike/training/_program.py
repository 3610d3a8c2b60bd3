"""The frame of every program: its images, and errors as exit codes."""

import signal
import sys
import warnings
from collections.abc import Callable

from bitspike._extras import require
from bitspike._terminal import complain, say
from bitspike.datasets import MNIST, DatasetError, DatasetNote, FashionMNIST, ImageDataset
from bitspike.training._checkpoint import CheckpointError
from bitspike.training._options import OptionError
from bitspike.training._run_folder import RunError

DATASETS: dict[str, type[ImageDataset]] = {"mnist": MNIST, "fashion-mnist": FashionMNIST}


def load_images(dataset: str, data_dir: str, limit: int) -> tuple[ImageDataset, ImageDataset]:
    """Return training and test images, fetched if they are absent.

    Args:
        dataset: a name in `DATASETS`.
        data_dir: folder of the data set; empty: a cache folder of the user's.
        limit: number of training images; 0: all.
    """
    root = data_dir or None
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", DatasetNote)
        train, test = DATASETS[dataset](root, train=True), DATASETS[dataset](root, train=False)
    for note in notes:
        say(f"Note: {note.message}")
    return train.head(limit) if limit else train, test


def check_place(batch: int, images: int, batch_size: int, checkpoint: str) -> None:
    """Refuse a checkpoint that lies further in an epoch than the data set goes.

    Raises:
        CheckpointError: saying so.
    """
    if batch > -(-images // batch_size):
        raise CheckpointError(
            f"checkpoint {checkpoint} lies {batch} batches into an epoch, which this data set has "
            "not; give the data set that the run began with"
        )


def guarded(program: str, run: Callable[[], int]) -> int:
    """Run a program and return its exit code; an error of the user's, or of the disk, is one line.

    Raises:
        ImportError: if the extra ``bitspike[train]`` is not installed.
    """
    needed = ("filelock", "matplotlib", "PIL", "rich", "tensorboard")
    require(*needed, extra="train", purpose="the program")
    import matplotlib as mpl
    import rich.console  # noqa: F401 -- draws a random number: before the generators are seeded

    mpl.use("Agg")  # programs only write files: never open a window
    try:
        return run()
    except (OptionError, CheckpointError, DatasetError, RunError, OSError) as error:
        complain(program, error)
        return 2
    except (MemoryError, OverflowError, RuntimeError) as error:
        words = ("memory", "overflow", "too large")
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in words):
            raise
        complain(program, "out of memory; try a smaller -b or -T")
        return 1
    except KeyboardInterrupt:
        print(f"{program}: stopped at once, without saving", file=sys.stderr)  # noqa: T201
        return 128 + signal.SIGINT
