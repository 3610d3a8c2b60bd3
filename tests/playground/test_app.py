import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from bitspike.playground import Hosts, Stage, make_app

from .digits import DIGITS, ink
from .messages import message, understand

PAGE = resources.files("bitspike.playground").joinpath("page")
FILES = sorted(file.name for file in PAGE.iterdir())
LOCAL = "http://localhost"
LIVE = "ws://localhost/live"


@pytest.fixture
def client(stage: Stage) -> Iterator[TestClient]:
    with TestClient(make_app(stage), base_url=LOCAL) as client:
        yield client


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[TestClient]:
    """Of a stage that is not open."""
    with TestClient(make_app(Stage([], tmp_path)), base_url=LOCAL) as client:
        yield client


# -- the page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_it_is_with_its_type(empty: TestClient, name: str) -> None:
    answer = empty.get("/" if name == "index.html" else f"/{name}")
    assert answer.status_code == 200
    assert answer.content == PAGE.joinpath(name).read_bytes()
    kinds = {
        "html": "text/html; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
    assert answer.headers["content-type"] == kinds[name.rpartition(".")[2]]


@pytest.mark.parametrize(
    "path",
    ["/index.html", "/../pyproject.toml", "/%2e%2e/_app.py", "/_app.py", "//etc/passwd", "/x"],
)
def test_there_is_nothing_else(empty: TestClient, path: str) -> None:
    assert empty.get(path).status_code == 404


def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline() -> None:
    """What the content security policy would refuse, and what an offline browser would miss."""
    for name in FILES:
        source = PAGE.joinpath(name).read_text(encoding="utf-8")
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*", source))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name
        assert len(source.splitlines()) < 200, name
    html = PAGE.joinpath("index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", html) == []
    linked = set(re.findall(r'(?:src|href)="([^"]+)"', html))
    modules = {
        name
        for file in FILES
        if file.endswith(".js")
        for name in re.findall(r'from "\./([^"]+)"', PAGE.joinpath(file).read_text("utf-8"))
    }
    assert linked | modules | {"index.html"} == set(FILES), "every file is used"


def test_both_languages_say_everything() -> None:
    source = PAGE.joinpath("text.js").read_text(encoding="utf-8")
    tables = re.findall(r"^const (\w+) = \{\n(.*?)^\};", source, re.MULTILINE | re.DOTALL)
    english, chinese = (re.findall(r"^  (\w+):", table, re.MULTILINE) for _, table in tables)
    assert english == chinese
    html = PAGE.joinpath("index.html").read_text(encoding="utf-8")
    wanted = set(re.findall(r'data-(?:text|label)="(\w+)"', html))
    assert wanted <= set(english)
    assert len(wanted) > 12


# -- who may look at it -----------------------------------------------------------------------


def test_answers_have_security_headers(empty: TestClient) -> None:
    for path in ("/", "/main.js", "/missing"):
        headers = empty.get(path).headers
        rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["img-src"] == "'self'"
        assert rules["connect-src"] == "'self' ws://localhost wss://localhost"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example:80",
        "",
        "localhost:80; script-src evil.example",
        "localhost:80 evil.example",
        "[::1] evil.example",
    ],
)
def test_a_strange_name_is_refused(empty: TestClient, host: str) -> None:
    answer = empty.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "--allow-host" in answer.text
    assert "evil" not in answer.headers["content-security-policy"]
    with pytest.raises(WebSocketDisconnect), empty.websocket_connect(LIVE, headers={"host": host}):
        pass


def test_only_getting_is_possible(empty: TestClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert empty.request(method, "/").status_code == 405


def test_further_names_can_be_allowed(tmp_path: Path) -> None:
    app = make_app(Stage([], tmp_path), Hosts.of("127.0.0.1", ["box.example"]))
    with TestClient(app, base_url="http://box.example:8028") as client:
        answer = client.get("/")
        assert answer.status_code == 200
        assert "ws://box.example:8028" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:81", "http://localhost.evil.example", ""],
)
def test_the_socket_is_not_for_other_pages(empty: TestClient, origin: str) -> None:
    headers = {"host": "localhost", "origin": origin}
    with (
        pytest.raises(WebSocketDisconnect) as caught,
        empty.websocket_connect(LIVE, headers=headers),
    ):
        pass
    assert caught.value.code == 1008


@pytest.mark.parametrize("headers", [{"origin": LOCAL}, {"origin": "https://localhost"}, {}])
def test_the_socket_is_for_our_page_and_for_programs(
    empty: TestClient, headers: dict[str, str]
) -> None:
    headers = {"host": "localhost", **headers}
    with empty.websocket_connect(LIVE, headers=headers) as socket:
        assert json.loads(socket.receive_text())["models"] == []


# -- the socket -------------------------------------------------------------------------------


def test_drawings_are_classified(client: TestClient) -> None:
    with client.websocket_connect(LIVE) as socket:
        assert json.loads(socket.receive_text())["models"][0]["name"] == "a network"
        for digit in (0, 7):
            socket.send_bytes(message(ink(DIGITS[digit]).tobytes(), id=digit))
            header, arrays = understand(socket.receive_bytes())
            assert (header["id"], header["predicted"]) == (digit, digit)
            assert arrays["v"].shape == (50, 10)


def test_several_visitors_do_not_disturb_each_other(client: TestClient) -> None:
    with client.websocket_connect(LIVE) as first, client.websocket_connect(LIVE) as second:
        first.receive_text()
        second.receive_text()
        for socket, digit in ((first, 1), (second, 4)):
            socket.send_bytes(message(ink(DIGITS[digit]).tobytes(), tau=2.0 + digit))
        found = [understand(socket.receive_bytes())[0]["predicted"] for socket in (first, second)]
    assert found == [1, 4]


def test_a_page_is_told_when_the_state_changes(tmp_path: Path) -> None:
    stage = Stage([], tmp_path)
    with (
        TestClient(make_app(stage), base_url=LOCAL) as client,
        client.websocket_connect(LIVE) as socket,
    ):
        assert json.loads(socket.receive_text())["training"] is None
        stage.state = '{"training": 0.5}'
        assert json.loads(socket.receive_text())["training"] == 0.5


@pytest.mark.parametrize(
    "bad", [b"", b"x" * 20_000, message(T=201, sample=0), message(sample=10**9)]
)
def test_a_bad_message_ends_the_connection_and_no_other(client: TestClient, bad: bytes) -> None:
    with client.websocket_connect(LIVE) as good:
        good.receive_text()
        with client.websocket_connect(LIVE) as socket:
            socket.receive_text()
            socket.send_bytes(bad)
            with pytest.raises(WebSocketDisconnect) as caught:
                socket.receive_bytes()
            assert caught.value.code == 1008
            assert caught.value.reason
        good.send_bytes(message(sample=0))
        assert understand(good.receive_bytes())[0]["label"] == 7


def test_text_is_no_request(client: TestClient) -> None:
    with client.websocket_connect(LIVE) as socket:
        socket.receive_text()
        socket.send_text("{}")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_bytes()


def test_there_is_room_for_so_many(tmp_path: Path) -> None:
    app = make_app(Stage([], tmp_path), max_visitors=1)
    with TestClient(app, base_url=LOCAL) as client:
        with client.websocket_connect(LIVE) as first:
            first.receive_text()
            with client.websocket_connect(LIVE) as second:
                with pytest.raises(WebSocketDisconnect) as caught:
                    second.receive_text()
                assert caught.value.code == 1013
        with client.websocket_connect(LIVE) as third:
            assert third.receive_text()
