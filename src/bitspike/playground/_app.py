"""The web application: a page, its files, and one WebSocket for each visitor."""

import mimetypes
from importlib import resources

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bitspike.playground._access import AccessControl, Hosts
from bitspike.playground._protocol import ProtocolError
from bitspike.playground._service import Stage

_POLL_S = 0.2  # between two looks at the state
_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013


def make_app(stage: Stage, hosts: Hosts | None = None, max_visitors: int = 200) -> Starlette:
    """Return the application that shows ``stage``.

    Args:
        stage: networks and test images; `Stage.open` loads or trains them.
        hosts: names by which the server may be called; None is this machine's own.
        max_visitors: number of pages that may be open at a time.
    """
    hosts = Hosts.of("localhost") if hosts is None else hosts
    visitors = Visitors(stage, max_visitors)
    return Starlette(
        routes=[*_page_routes(), WebSocketRoute("/live", visitors.serve)],
        middleware=[Middleware(AccessControl, hosts=hosts)],
    )


def _page_routes() -> list[Route]:
    """Return a route for each file of the page: no path comes from the browser."""
    routes = []
    for file in sorted(resources.files(__package__).joinpath("page").iterdir(), key=str):
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if file.name.endswith(".js"):  # the table of the machine may be wrong
            kind = "text/javascript"
        path = "/" if file.name == "index.html" else f"/{file.name}"
        routes.append(_file_route(path, file.read_bytes(), kind))
    return routes


def _file_route(path: str, content: bytes, kind: str) -> Route:
    async def serve(request: Request) -> Response:  # noqa: ARG001
        return Response(content, media_type=kind)

    return Route(path, serve)


class Visitors:
    """The open WebSockets. Each visitor has one request in work at a time; the next ones wait."""

    def __init__(self, stage: Stage, maximum: int) -> None:
        self._stage, self._maximum = stage, maximum
        self._count = 0
        self._limiter: CapacityLimiter | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Serve a visitor from the first to the last message."""
        await socket.accept()
        if self._count >= self._maximum:
            await socket.close(_TRY_AGAIN_LATER, "too many visitors")
            return
        self._count += 1
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_states, socket)
                await self._answer_requests(socket)
                tasks.cancel_scope.cancel()
        finally:
            self._count -= 1

    async def _send_states(self, socket: WebSocket) -> None:
        """Send the stage's state, and again when it changes."""
        sent = ""
        try:
            while True:
                if self._stage.state != sent:
                    sent = self._stage.state
                    await socket.send_text(sent)
                await anyio.sleep(_POLL_S)
        except WebSocketDisconnect:
            return

    async def _answer_requests(self, socket: WebSocket) -> None:
        if self._limiter is None:
            self._limiter = CapacityLimiter(1)  # answers take turns in any case
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                request = message.get("bytes") or b""
                answer = await to_thread.run_sync(
                    self._stage.answer, request, limiter=self._limiter
                )
                await socket.send_bytes(answer)
        except ProtocolError as error:
            await socket.close(_POLICY_VIOLATION, str(error)[:120])
        except WebSocketDisconnect:
            return
