"""The program: options, a socket, and a server on it."""

import argparse
import asyncio
import contextlib
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import h11
import platformdirs
import torch
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bitspike._terminal import Parser, complain, say
from bitspike.playground._access import WILDCARDS, Hosts
from bitspike.playground._app import make_app
from bitspike.playground._networks import load_models
from bitspike.playground._protocol import MAX_MESSAGE
from bitspike.playground._service import Stage
from bitspike.training import CheckpointError

PROGRAM = "bitspike playground"
_LOCAL = "127.0.0.1"
_PORT = 8028


def make_parser() -> Parser:
    """Return the parser of the command line, whose results are arguments of `run`."""
    parser = Parser(
        prog=PROGRAM,
        description="A local page to draw digits on, and to watch a spiking network read them. "
        "Ctrl-C ends it.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add(
        "checkpoints",
        nargs="*",
        type=Path,
        metavar="CHECKPOINT",
        help="networks to choose from: checkpoints of the tutorial program, or folders of runs "
        "(default: ./logs if it has any, else a network that is trained first, in seconds)",
    )
    add("--host", help=f"address to bind to; 0.0.0.0 lets your phone in (default: {_LOCAL})")
    add("--port", type=_port, metavar="N", help=f"0 takes any free one (default: {_PORT})")
    add(
        "--allow-host",
        action="append",
        dest="allow_hosts",
        metavar="NAME",
        help="a further name by which the server may be called; can be repeated",
    )
    add("--open", action="store_true", dest="open_browser", help="open the page in your browser")
    add("--data-dir", type=Path, metavar="DIR", help="folder of MNIST (default: a cache folder)")
    add(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="folder for the network that is trained (default: a cache folder of yours)",
    )
    return parser


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"must be an integer in [0, 65535], but is {text!r}")
    return int(text)


def run(
    checkpoints: Sequence[Path] = (),
    host: str = _LOCAL,
    port: int = _PORT,
    *,
    allow_hosts: Sequence[str] = (),
    open_browser: bool = False,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        checkpoints: networks to choose from: files, or folders of runs. Without any, those in
            ``./logs`` are taken, else a network is trained first.
        host: address to bind to. At another one than 127.0.0.1, everyone in the network can reach
            the page.
        port: 0 takes any free one.
        allow_hosts: further names by which the server may be called.
        open_browser: whether to open the page.
        data_dir: folder of the data sets; None is the user's cache.
        cache_dir: folder for the network that is trained; None is the user's cache.

    Raises:
        CheckpointError: a checkpoint is missing or unusable.
        OSError: the port is taken, or the address is not this machine's.
    """
    models = load_models(checkpoints)
    torch.set_num_threads(1)  # an image is too little work to share
    user_cache = Path(platformdirs.user_cache_dir("bitspike", appauthor=False))
    with _bind(host, port) as listener:
        name = socket.gethostname() if host in WILDCARDS else host
        url = f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}/"
        stage = Stage(models, cache_dir or user_cache / "playground", data_dir)
        config = uvicorn.Config(
            make_app(stage, Hosts.of(host, [name, *allow_hosts])),
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE,
            ws_per_message_deflate=False,
            http=RequestTimeoutProtocol,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        names = ", ".join(model.name for model in models)
        say(f"Networks: {names or 'one of the tutorial, trained now unless it is in the cache'}")
        say(f"Draw a digit: {url}   (Ctrl-C ends)")
        if host != _LOCAL:
            say("Everyone who can reach this address can use the page.")
        stage.open()
        try:
            if open_browser:
                webbrowser.open(url)
            with contextlib.suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])
        finally:
            stage.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # UnicodeError: no valid name
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"cannot listen on {host}, port {port} ({reason}); "
            "try another one with --port; 0 takes any free one"
        ) from error


class RequestTimeoutProtocol(H11Protocol):
    """HTTP that closes connections whose request is incomplete after `timeout_s` seconds.

    The time counts from the opening of the connection, and after an answer from the first byte of
    the next request; uvicorn's own limit (keep-alive) ends with the first byte. A connection that
    has become a WebSocket no longer belongs to this protocol.
    """

    timeout_s: ClassVar[float] = 10.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the timer of the first request."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the timer if this completes a request, or start it with the next request."""
        super().data_received(data)
        self._update_timer()

    def on_response_complete(self) -> None:
        """Start the timer if a part of the next request is there already."""
        super().on_response_complete()
        self._update_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _update_timer(self) -> None:
        if self.transport.get_protocol() is not self or self.conn.their_state is h11.DONE:
            self._stop_timer()
        elif self._timer is None:
            has_begun = self.conn.their_state is not h11.IDLE or self.conn.trailing_data[0]
            if has_begun:
                self._start_timer()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(self.timeout_s, lambda: self.transport.abort())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with the arguments ``argv`` and return the exit code."""
    options = vars(make_parser().parse_args(argv))
    try:
        run(**options)
    except (CheckpointError, OSError) as error:
        complain(PROGRAM, error)
        return 2
    return 0
