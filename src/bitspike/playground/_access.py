"""Access control: who may talk to the server, and what a browser may do with its answers.

The server has no password. A browser names the page that a request comes from (``Origin``) and the
name by which it called the server (``Host``); checking both keeps other people's pages away. The
second check stops pages that point a name of their own to this machine (DNS rebinding).
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104
# A name or an address, and perhaps a port: nothing that could add to a policy or a header.
_HOST = re.compile(
    r"(?:(?P<name>[A-Za-z0-9._-]{1,253})|\[(?P<address>[0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-cache",
}


@dataclass(frozen=True)
class Hosts:
    """The names by which the server may be called.

    Attributes:
        names: names in lower case, without a port.
        addresses: whether any numeric address will do; no page can forge one.
    """

    names: frozenset[str]
    addresses: bool = False

    @classmethod
    def of(cls, bound: str, more: Iterable[str] = ()) -> "Hosts":
        """Return the names that fit the address to which the server is bound, and ``more``."""
        names = {name.lower() for name in (bound, *more) if name not in WILDCARDS}
        return cls(_LOOPBACK | names, addresses=bound in WILDCARDS)

    def __contains__(self, header: str) -> bool:
        form = _HOST.fullmatch(header)
        if form is None:
            return False
        name = (form["name"] or form["address"]).lower()
        return name in self.names or (self.addresses and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _policy(host: str) -> str:
    """Return the page's content security policy: nothing but what this server sends.

    The socket's address is spelled out, since for older browsers ``'self'`` does not include it.
    ``host`` is in `Hosts`, and thus of a form that adds no further rule.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class AccessControl:
    """ASGI middleware that refuses strangers and adds security headers to answers."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if scope["type"] == "websocket":
            if host in self.hosts and _same_origin(headers.get("origin"), host):
                await self.app(scope, receive, send)
            else:
                await WebSocket(scope, receive, send).close(1008)  # HTTP 403, before it is open
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {"content-security-policy": _policy(host), **_HEADERS}
                MutableHeaders(scope=message).update(headers)
            await send(message)

        if host in self.hosts:
            await self.app(scope, receive, send_protected)
        else:
            text = "This server does not answer to that name. Start it with --allow-host NAME.\n"
            host = "localhost"  # a refused name stays out of the headers
            await PlainTextResponse(text, 421)(scope, receive, send_protected)


def _same_origin(origin: str | None, host: str) -> bool:
    """Return whether the page that opens the socket is ours, or a program that names no page."""
    return origin is None or origin.lower() in {f"http://{host.lower()}", f"https://{host.lower()}"}
