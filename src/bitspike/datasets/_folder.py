"""Files that a package of the operating system has installed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bitspike.datasets._screen import Screen
from bitspike.datasets._sources import SourceError, gunzip


class PackageFolder:
    """A folder of the system that holds the four files as ``.gz``.

    Args:
        path: the folder.
        package: the package that installs it.
    """

    def __init__(self, path: Path, package: str) -> None:
        self.path = path
        self.package = package

    @property
    def label(self) -> str:
        """The package and its folder."""
        return f"the system's package {self.package} ({self.path})"

    def fetch(self, names: Sequence[str], screen: Screen) -> Iterator[tuple[str, bytes]]:  # noqa: ARG002
        """Yield (name, unpacked file) for each of `names`.

        Raises:
            SourceError: not installed, unreadable, or no gzip data.
        """
        if not self.path.is_dir():
            raise SourceError("not installed")
        for name in names:
            path = self.path / f"{name}.gz"
            try:
                packed = path.read_bytes()
            except OSError as error:
                raise SourceError(f"{path}: {error.strerror or error}") from error
            yield name, gunzip(packed)
