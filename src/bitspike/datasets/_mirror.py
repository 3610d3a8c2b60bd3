"""Files from a web server, by pooch."""

import io
import queue
import socket
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bitspike.datasets._screen import Screen
from bitspike.datasets._sources import LARGEST, SourceError, gunzip

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PATIENCE = 5.0  # seconds, for a connection
_SILENCE = 15.0  # seconds without a byte, once connected
_CHUNK = 1 << 17


class Mirror:
    """A web folder that holds the four files as ``.gz``.

    Args:
        url: the folder, with a slash at its end.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def label(self) -> str:
        """The URL."""
        return self.url

    def fetch(self, names: Sequence[str], screen: Screen) -> Iterator[tuple[str, bytes]]:
        """Yield (name, unpacked file) for each of `names`.

        Raises:
            SourceError: no connection, no such file, or no gzip data.
        """
        _knock(self.url, _PATIENCE)
        for name in names:
            yield name, gunzip(_get(f"{self.url}{name}.gz", name, screen))


class _Bounded(io.BytesIO):
    """Takes what a server sends, as long as that can be one of the files."""

    def write(self, content: "ReadableBuffer", /) -> int:
        """Adds ``content``.

        Raises:
            SourceError: there is too much by now.
        """
        if self.tell() + memoryview(content).nbytes > LARGEST:
            raise SourceError(f"the answer has more than {LARGEST >> 20} MiB")
        return super().write(content)


def _get(url: str, title: str, screen: Screen) -> bytes:
    import pooch

    into = _Bounded()
    with screen.bar(title) as bar:
        download = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=_CHUNK,
            timeout=(_PATIENCE, _SILENCE),
            # Else requests may unpack the file, thinking that only its transfer is compressed.
            headers={"Accept-Encoding": "identity"},
        )
        try:
            download(url, into, None)
        # All that requests raises is an OSError.
        except OSError as error:
            raise SourceError(f"{title}.gz: {error}") from error
    return into.getvalue()


def _knock(url: str, seconds: float) -> None:
    """Find out within `seconds` whether a server answers at all.

    The timeout of requests counts neither the look-up of the name nor the number of addresses
    tried, so that on a machine without a network it may hang for minutes.

    Raises:
        SourceError: it does not answer.
    """
    parts = urlsplit(url)
    if {parts.scheme, "all"} & urllib.request.getproxies().keys():
        return  # the proxy finds the host, not we
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    outcome: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
        except OSError as error:
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=connect, daemon=True, name="bitspike-knock").start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise SourceError(f"{host} does not answer within {seconds:g} s") from None
    if error is not None:
        raise SourceError(f"no connection to {host} ({error.strerror or error})") from error
