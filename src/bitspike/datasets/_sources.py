"""What a source of files is, and how it says that it has not got them."""

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from bitspike.datasets._screen import Screen

# Four times the largest file: a wrong or hostile answer must not fill the memory.
LARGEST = 200 << 20


class SourceError(Exception):
    """A source cannot give a file; the message is the reason, and the next source is tried."""


class Source(Protocol):
    """A place that files can be had from."""

    @property
    def label(self) -> str:
        """How the source is called in messages."""
        ...

    def fetch(self, names: Sequence[str], screen: Screen) -> Iterator[tuple[str, bytes]]:
        """Yield (name, unpacked IDX file) for each of `names`, or raise SourceError."""
        ...


def gunzip(packed: bytes) -> bytes:
    """Unpack gzip data.

    Raises:
        SourceError: it is not gzip data, is damaged, or unpacks to far too much.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"damaged gzip data ({error})") from error
    if len(content) > LARGEST:
        raise SourceError(f"unpacks to more than {LARGEST >> 20} MiB")
    return content
