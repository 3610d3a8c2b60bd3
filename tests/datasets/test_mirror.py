"""Mirrors, with a server of our own."""

import gzip
import socket
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bitspike.datasets import Mirror, SourceError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep what pytest shows short."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("terminal", [False, True])
def test_files_are_fetched_and_unpacked(
    served: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
) -> None:
    folder, url = served
    contents = {"some": b"x" * 500_000, "other": b"y"}
    for name, content in contents.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    assert dict(Mirror(url).fetch(list(contents))) == contents
    said = capsys.readouterr()
    assert said.out == ""
    assert ("some" in said.err) is terminal
    assert terminal or said.err == ""


def test_a_folder_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    source = Mirror(f"{folder.as_uri()}/")
    with pytest.raises(SourceError, match=r"some\.gz: No such file"):
        list(source.fetch(["some"]))
    folder.mkdir()
    (folder / "some.gz").write_bytes(gzip.compress(b"content"))
    assert list(source.fetch(["some"])) == [("some", b"content")]


def test_absent_file(served: tuple[Path, str]) -> None:
    with pytest.raises(SourceError, match=r"some\.gz: 404"):
        list(Mirror(served[1]).fetch(["some"]))


def test_page_instead_of_a_file(served: tuple[Path, str]) -> None:
    (served[0] / "some.gz").write_bytes(b"<html>please log in</html>")
    with pytest.raises(SourceError, match="damaged gzip data"):
        list(Mirror(served[1]).fetch(["some"]))


def test_unknown_host_is_noticed_soon() -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"host\.invalid"):
        list(Mirror("https://host.invalid/").fetch(["some"]))
    assert time.monotonic() - start < 2 * Mirror.connect_timeout


def test_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceError, match=r"no connection to 127\.0\.0\.1 \(Connection refused"):
        list(Mirror(f"http://127.0.0.1:{port}/").fetch(["some"]))


def test_look_up_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **__: object) -> socket.socket:
        time.sleep(1)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(SourceError, match=r"host\.invalid does not answer within 0\.05 s"):
        list(Mirror("https://host.invalid/", connect_timeout=0.05).fetch(["some"]))


def test_server_that_stays_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(SourceError, match=r"some\.gz: .*[Rr]ead timed out"):
            list(Mirror(url, read_timeout=0.1).fetch(["some"]))


def test_a_proxy_is_left_to_find_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    with pytest.raises(SourceError, match=r"some\.gz: .*[Pp]roxy"):
        list(Mirror("http://host.invalid/").fetch(["some"]))


def test_an_endless_answer_is_not_kept(served: tuple[Path, str]) -> None:
    folder, url = served
    (folder / "some.gz").write_bytes(bytes(3 << 20))
    with pytest.raises(SourceError, match="the answer has more than 1 MiB"):
        dict(Mirror(url, max_bytes=1 << 20).fetch(["some"]))


def test_a_bomb_is_not_unpacked(served: tuple[Path, str]) -> None:
    folder, url = served
    mirror = Mirror(url, max_bytes=2 << 20)
    (folder / "some.gz").write_bytes(gzip.compress(bytes(2 << 20)))
    assert len(dict(mirror.fetch(["some"]))["some"]) == 2 << 20
    (folder / "some.gz").write_bytes(gzip.compress(bytes((2 << 20) + 1)))
    with pytest.raises(SourceError, match="unpacks to more than 2 MiB"):
        dict(mirror.fetch(["some"]))
