import contextlib
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from tests.processes import fresh
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from bitspike.examples.lif_fc_mnist import Options, make_net
from bitspike.playground import RequestTimeoutProtocol, Stage, load_models, main, make_app, run
from bitspike.training import CheckpointError, save_checkpoint

from .browser import serving
from .messages import message, understand


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = Options(T=8)
    content = {"options": options.trajectory(), "net": make_net(options).state_dict()}
    save_checkpoint(path, "lif_fc_mnist", content)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    for option in ("--host", "--port", "--allow-host", "--open", "--data-dir", "--cache-dir"):
        assert option in said


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_bad_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--port", port])
    assert "--port" in capsys.readouterr().err


def test_a_missing_checkpoint_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no.pth")]) == 2
    assert f"checkpoint {tmp_path / 'no.pth'} does not exist" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    save(tmp_path / "a.pth")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([str(tmp_path / "a.pth"), "--port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err


def test_networks_are_named_by_their_run(tmp_path: Path) -> None:
    save(tmp_path / "logs/T100/checkpoint_max.pth")
    save(tmp_path / "logs/T50/checkpoint_max.pth")
    models = load_models([tmp_path / "logs"])
    assert [model.name for model in models] == ["T100/checkpoint_max", "T50/checkpoint_max"]


def test_runs_nearby_are_found_as_far_as_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_models([]) == []
    logs = Path("logs")
    (logs / "other").mkdir(parents=True)
    assert load_models([]) == []
    (logs / "other/checkpoint_max.pth").write_bytes(b"something else")
    assert load_models([]) == []
    with pytest.raises(CheckpointError, match="logs holds no checkpoint of the tutorial's"):
        load_models([logs])
    save(logs / "mine/checkpoint_max.pth")
    for places in ([], [logs], [logs / "mine"], [logs / "mine/checkpoint_max.pth"]):
        assert [model.name for model in load_models(places)] == ["mine/checkpoint_max"]
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_models([logs / "other/checkpoint_max.pth"])


@pytest.mark.parametrize(
    ("host", "name"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("0.0.0.0", socket.gethostname())],  # noqa: S104
)
def test_the_address_can_be_opened(
    host: str,
    name: str,
    tmp_path: Path,
    mnist_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, 0), family=family).close()
    except OSError as error:
        pytest.skip(f"no {host} here: {error}")
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    save(tmp_path / "a.pth")
    run([tmp_path / "a.pth"], host, 0, cache_dir=tmp_path, data_dir=mnist_root)
    said = capsys.readouterr().out
    assert re.search(rf"Draw a digit: http://{re.escape(name)}:[0-9]+/ ", said)
    assert ("Everyone who can reach" in said) is (host != "127.0.0.1")


def test_the_program_says_which_extra_it_needs() -> None:
    code = (
        "import importlib.util as util, runpy\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'starlette' else find(name, *rest)\n"
        "runpy.run_module('bitspike.playground', run_name='__main__')\n"
    )
    result = fresh(code)
    assert result.code == 1
    message = (
        'starlette not installed, which the playground needs: pip install "bitspike[playground]"'
    )
    assert result.err.splitlines()[-1] == f"ImportError: {message}"


@pytest.fixture
def impatient(stage: Stage) -> Iterator[int]:
    """A server that waits for half a second; its port."""

    class Impatient(RequestTimeoutProtocol):
        timeout_s = 0.5

    config = uvicorn.Config(
        make_app(stage),
        http=Impatient,
        ws="websockets-sansio",
        lifespan="off",
        log_level="critical",
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"G",
        WHOLE[:-2],
        b"\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
    ],
    ids=["nothing", "a letter", "all but the end", "a line", "half a body"],
)
def test_half_a_request_is_not_waited_for(impatient: int, begin: bytes) -> None:
    """Nor one of which another byte comes now and then."""
    with socket.create_connection(("127.0.0.1", impatient), timeout=30) as visitor:
        visitor.sendall(begin)
        visitor.settimeout(0.1)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                if visitor.recv(1 << 16) == b"":
                    return
                visitor.sendall(b"x")
            except TimeoutError:
                continue
            except ConnectionError:
                return
        pytest.fail("the connection is still open")


def test_after_an_answer_half_a_request_is_not_waited_for_either(impatient: int) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=30) as visitor:
        visitor.sendall(WHOLE)
        assert visitor.recv(1 << 16).startswith(b"HTTP/1.1 200")
        visitor.settimeout(0.2)
        with pytest.raises((ConnectionError, EOFError)):  # noqa: PT012
            for _ in range(100):
                visitor.sendall(b"G" if _ == 0 else b"E")
                with contextlib.suppress(TimeoutError):
                    while chunk := visitor.recv(1 << 16):
                        assert chunk
                    raise EOFError


def test_who_has_asked_may_stay(impatient: int) -> None:
    """A whole request ends the waiting, and a WebSocket stays open."""
    with connect(f"ws://localhost:{impatient}/live") as visitor:
        visitor.recv()
        time.sleep(1.2)
        visitor.send(message(sample=3))
        while isinstance(visitor.recv(timeout=30), str):
            pass


def test_a_malformed_host_is_refused_and_not_repeated(impatient: int) -> None:
    with socket.create_connection(("127.0.0.1", impatient), timeout=30) as visitor:
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: localhost:80; script-src evil.example\r\n\r\n")
        answer = visitor.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"evil" not in answer


def test_the_running_server_keeps_its_limits(tmp_path: Path, mnist_root: Path) -> None:
    """What the server below the application does: sizes, headers, refusals."""
    save(tmp_path / "a.pth")
    options = (str(tmp_path / "a.pth"), "--data-dir", str(mnist_root))
    with serving(*options, cwd=tmp_path) as (url, _):
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url) as answer:  # noqa: S310
            assert answer.status == 200
            assert answer.headers["server"] is None
        live = url.replace("http", "ws") + "live"
        with (
            pytest.raises(InvalidStatus, match="403"),
            connect(live, origin=Origin("http://evil.example")),
        ):
            pass
        with connect(live, origin=Origin(url.rstrip("/"))) as visitor:
            while json.loads(visitor.recv())["models"][0]["samples"] == 0:
                pass
            visitor.send(message(sample=3))
            answer = visitor.recv()
            assert isinstance(answer, bytes)
            assert understand(answer)[0]["label"] == 0
            with connect(live) as other:
                other.recv()
                other.send(b"x" * 100_000)
                with pytest.raises(ConnectionClosed) as caught:
                    other.recv(timeout=10)
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1009, "too big to be read"
            visitor.send(message(sample=4))
            assert isinstance(visitor.recv(), bytes)
