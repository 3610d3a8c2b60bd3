"""The program: options, a socket, and a server on it."""

import argparse
import contextlib
import socket
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
import torch
import uvicorn

from bitspike._terminal import Parser, complain, say
from bitspike.playground._app import make_app
from bitspike.playground._guard import Hosts
from bitspike.playground._model import Model, find, read
from bitspike.playground._patience import PatientProtocol
from bitspike.playground._protocol import MAX_MESSAGE
from bitspike.playground._stage import Stage
from bitspike.training import CheckpointError

PROGRAM = "bitspike playground"
_HERE = "127.0.0.1"
_PORT = 8028


@dataclass(frozen=True)
class _Options:
    checkpoints: list[Path] = field(default_factory=list)
    host: str = _HERE
    port: int = _PORT
    allow_host: list[str] = field(default_factory=list)
    open: bool = False
    data_dir: Path | None = None
    cache_dir: Path | None = None


def make_parser() -> Parser:
    """The program's command line."""
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
    add("--host", help=f"address to bind to; 0.0.0.0 lets your phone in (default: {_HERE})")
    add("--port", type=int, metavar="N", help=f"0 takes any that is free (default: {_PORT})")
    add(
        "--allow-host",
        action="append",
        metavar="NAME",
        help="a further name by which the server may be called; can be repeated",
    )
    add("--open", action="store_true", help="open the page in your browser")
    add("--data-dir", type=Path, metavar="DIR", help="folder of MNIST (default: a cache folder)")
    add(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="folder for the network that is trained (default: a cache folder of yours)",
    )
    return parser


def default_cache() -> Path:
    """The folder for the network that the playground trains."""
    return Path(platformdirs.user_cache_dir("bitspike", appauthor=False)) / "playground"


def load(checkpoints: Sequence[Path]) -> list[Model]:
    """The networks of checkpoints and of folders of runs; without any, those in ``./logs``.

    In folders, checkpoints of other networks are left out.

    Raises:
        CheckpointError: if a checkpoint is missing or of no use, or a folder holds none of use.
    """
    if not checkpoints:
        return _load_folder(Path("logs")) if Path("logs").is_dir() else []
    models: list[Model] = []
    for place in checkpoints:
        found = _load_folder(place) if place.is_dir() else [read(place, _name(place))]
        if not found:
            raise CheckpointError(f"{place} holds no checkpoint of the tutorial's network")
        models += found
    return models


def _load_folder(folder: Path) -> list[Model]:
    models: list[Model] = []
    for path in find(folder):
        with contextlib.suppress(CheckpointError):
            models.append(read(path, _name(path)))
    return models


def _name(path: Path) -> str:
    return f"{path.absolute().parent.name}/{path.stem}"


def run(
    checkpoints: Sequence[Path] = (),
    host: str = _HERE,
    port: int = _PORT,
    *,
    allow_hosts: Sequence[str] = (),
    open_browser: bool = False,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
) -> None:
    """Serves the page until Ctrl-C.

    Args:
        checkpoints: networks to choose from: files, or folders of runs. Without any those in
            ``./logs`` are taken, else one is trained first.
        host: address to bind to. Nothing but the network keeps visitors away from another one
            than 127.0.0.1.
        port: 0 takes any that is free.
        allow_hosts: further names by which the server may be called.
        open_browser: whether to open the page.
        data_dir: folder of the data sets; None is the user's cache.
        cache_dir: folder for the network that is trained; None is the user's cache.

    Raises:
        CheckpointError: if a checkpoint is missing or of no use.
        OSError: if the port is taken, or the address is not this machine's.
    """
    models = load(checkpoints)
    torch.set_num_threads(1)  # one image is too little work to share
    with _bind(host, port) as listener:
        url = _url(host, listener.getsockname()[1])
        stage = Stage(models, cache_dir or default_cache(), data_dir)
        names = [socket.gethostname(), *allow_hosts] if host in ("0.0.0.0", "::") else allow_hosts  # noqa: S104
        config = uvicorn.Config(
            make_app(stage, Hosts.of(host, names)),
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE,
            ws_per_message_deflate=False,
            http=PatientProtocol,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        what = ", ".join(model.name for model in models) or "one that is trained now, if need be"
        say(f"Networks: {what}")
        say(f"Draw a digit: {url}   (Ctrl-C ends)")
        if host != _HERE:
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
    except (OSError, UnicodeError) as error:  # a name that can be none
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"cannot listen on {host}, port {port} ({reason}); "
            "try another one with --port, 0 takes any"
        ) from error


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program with the arguments ``argv``; returns the exit code."""
    parser = make_parser()
    options = _Options(**vars(parser.parse_args(argv)))
    if not 0 <= options.port < 65536:
        parser.error(f"--port must lie in [0, 65535], but is {options.port}")
    try:
        run(
            options.checkpoints,
            options.host,
            options.port,
            allow_hosts=options.allow_host,
            open_browser=options.open,
            data_dir=options.data_dir,
            cache_dir=options.cache_dir,
        )
    except (CheckpointError, OSError) as error:
        complain(PROGRAM, error)
        return 2
    return 0
