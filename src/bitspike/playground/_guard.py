"""Who may talk to the server, and what a browser may do with its answers.

The server has no password: what keeps other people's pages away from it is that a browser says
which page a request comes from (``Origin``) and which name it used for the server (``Host``). The
second one stops pages that have their own name point to this machine (DNS rebinding).
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
# A name or an address, and perhaps a port: nothing that could add to a policy or a header.
_HOST = re.compile(
    r"(?:(?P<name>[A-Za-z0-9._-]{1,253})|\[(?P<address>[0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?"
)
_WILDCARD = frozenset({"0.0.0.0", "::", ""})  # noqa: S104


@dataclass(frozen=True)
class Hosts:
    """The names by which the server may be called.

    Attributes:
        names: in lower case, without a port.
        addresses: whether any numeric address will do; no page can forge one.
    """

    names: frozenset[str]
    addresses: bool = False

    @classmethod
    def of(cls, bound: str, more: Iterable[str] = ()) -> "Hosts":
        """The names that fit the address to which the server is bound, and ``more``."""
        names = {name.lower() for name in (bound, *more) if name not in _WILDCARD}
        return cls(_LOOPBACK | names, addresses=bound in _WILDCARD)

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


def policy(host: str) -> str:
    """The page's content security policy: nothing but what this server sends.

    The socket's address is spelled out: for older browsers ``'self'`` does not include it.

    Args:
        host: one that is in `Hosts`, and thus of a form that adds no further rule.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Guard:
    """ASGI middleware: refuses strangers, and adds security headers to what is answered."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what may pass."""
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

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(
                    {
                        "content-security-policy": policy(host),
                        "x-content-type-options": "nosniff",
                        "referrer-policy": "no-referrer",
                        "cross-origin-opener-policy": "same-origin",
                        "cross-origin-resource-policy": "same-origin",
                        "permissions-policy": "camera=(), microphone=(), geolocation=()",
                        "cache-control": "no-cache",
                    }
                )
            await send(message)

        if host in self.hosts:
            await self.app(scope, receive, protected)
        else:
            text = "This server does not answer to that name. Start it with --allow-host NAME.\n"
            host = "localhost"  # a refused name does not get into a header
            await PlainTextResponse(text, 421)(scope, receive, protected)


def _same_origin(origin: str | None, host: str) -> bool:
    """Whether the page that opens the socket is ours; a program that is no browser says nothing."""
    return origin is None or origin.lower() in {f"http://{host.lower()}", f"https://{host.lower()}"}
