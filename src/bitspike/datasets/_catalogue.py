"""The data sets that are known: one entry each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bitspike.datasets._folder import PackageFolder
from bitspike.datasets._mirror import Mirror
from bitspike.datasets._sources import Source
from bitspike.datasets._wheel import MnistWheel

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class Entry:
    """What a data set in the form of MNIST needs beside code.

    Attributes:
        name: of the data set, and of its folder under the root.
        classes: names of the ten classes.
        sha256: of each official file, unpacked, in hexadecimal.
        sources: where the files are to be had, in the order to try.
        advice: what a user can do when no source works, beside getting the files by hand.
    """

    name: str
    classes: tuple[str, ...]
    sha256: Mapping[str, str]
    sources: tuple[Source, ...]
    advice: str = ""

    def is_official(self, name: str, sha256: str) -> bool:
        """Whether `sha256` is that of the official file `name`."""
        return self.sha256[name] == sha256


MNIST_ENTRY = Entry(
    name="MNIST",
    classes=tuple("0123456789"),
    sha256={
        TRAIN[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST[0]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST[1]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    sources=(
        Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
        Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
        MnistWheel(),
    ),
)

FASHION_MNIST_ENTRY = Entry(
    name="FashionMNIST",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    # Of the content of the .gz files whose MD5 its authors publish.
    sha256={
        TRAIN[0]: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        TRAIN[1]: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        TEST[0]: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        TEST[1]: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    sources=(
        Mirror(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
        ),
        PackageFolder(Path("/usr/share/datasets/fashion-mnist"), "dataset-fashion-mnist"),
    ),
    advice="On Debian and Ubuntu `apt install dataset-fashion-mnist` brings them.",
)

ENTRIES = (MNIST_ENTRY, FASHION_MNIST_ENTRY)


def owner(sha256: str) -> str | None:
    """Name of the data set that the official file with this SHA-256 belongs to, if any."""
    for entry in ENTRIES:
        if sha256 in entry.sha256.values():
            return entry.name
    return None
