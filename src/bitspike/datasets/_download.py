"""Downloads over HTTP, within a time and a size, with a progress bar on stderr."""

import io
import queue
import socket
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bitspike.datasets._errors import SourceError

if TYPE_CHECKING:
    from rich.progress import Progress

_CHUNK = 1 << 17


def download_file(url: str, timeout: tuple[float, float], max_bytes: int) -> bytes:
    """Return the content of `url`, or raise `SourceError`.

    `timeout` is the seconds to wait for a connection, and for each byte once connected.
    """
    name = url.rpartition("/")[2]
    if url.startswith("file:"):
        try:
            return Path(urllib.request.url2pathname(urlsplit(url).path)).read_bytes()
        except OSError as error:
            raise SourceError(f"{name}: {error.strerror or error}") from error
    import pooch
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    content, console = io.BytesIO(), Console(stderr=True)
    text = TextColumn("  {task.description}", markup=False)
    columns = (text, BarColumn(), DownloadColumn(), TimeRemainingColumn())
    disable = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disable) as progress:
        download = pooch.HTTPDownloader(
            progressbar=_BoundedBar(progress, name, max_bytes),
            chunk_size=_CHUNK,
            timeout=timeout,
            # Otherwise requests may unpack the file, as if only its transfer were compressed.
            headers={"Accept-Encoding": "identity"},
        )
        try:
            download(url, content, None)
        except OSError as error:  # the base of all errors of requests
            raise SourceError(f"{name}: {error}") from error
    return content.getvalue()


class _BoundedBar:
    """A bar of rich with the attributes that pooch uses; it stops a download that is too long."""

    total = 0  # pooch sets the number of bytes to come, or 0 if the server does not tell it

    def __init__(self, progress: "Progress", title: str, max_bytes: int) -> None:
        self._progress, self._task = progress, progress.add_task(title, total=None)
        self._received, self._max_bytes = 0, max_bytes

    def update(self, amount: int) -> None:
        """Count `amount` more bytes."""
        self._received += amount
        if self._received > self._max_bytes + _CHUNK:  # pooch counts the last chunk as a whole one
            raise SourceError(f"the answer has more than {self._max_bytes >> 20} MiB")
        self._progress.update(self._task, advance=amount, total=self.total or None)

    def reset(self) -> None:
        """Count from zero again."""
        self._received = 0
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """Do nothing: the bar goes with its `Progress`."""


def check_connection(url: str, seconds: float) -> None:
    """Raise `SourceError` unless the server of `url` accepts a connection within `seconds`.

    The timeout of requests counts neither the look-up of the name nor the number of addresses
    tried, so that a machine without a network could hang for minutes.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" or {parts.scheme, "all"} & urllib.request.getproxies().keys():
        return  # a proxy looks up the name
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    outcome: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
            outcome.put(None)
        except OSError as error:
            outcome.put(error)

    threading.Thread(target=connect, daemon=True, name="bitspike-connect").start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise SourceError(f"{host} does not answer within {seconds:g} s") from None
    if error is not None:
        raise SourceError(f"no connection to {host} ({error.strerror or error})") from error
