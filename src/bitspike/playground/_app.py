"""The web application: a page, its files, and one WebSocket for each visitor."""

import mimetypes
from importlib import resources

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bitspike.playground._guard import Guard, Hosts
from bitspike.playground._protocol import ProtocolError
from bitspike.playground._stage import Stage

MAX_VISITORS = 200
_LOOK_S = 0.2
_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013


def make_app(stage: Stage, hosts: Hosts | None = None) -> Starlette:
    """The application that shows ``stage``.

    Args:
        stage: networks and test images; `Stage.open` it to have them loaded or trained.
        hosts: names by which the server may be called; None is this machine's own.
    """
    visitors = Visitors(stage)
    return Starlette(
        routes=[*_files(), WebSocketRoute("/live", visitors.receive)],
        middleware=[Middleware(Guard, hosts=Hosts.of("localhost") if hosts is None else hosts)],
    )


def _files() -> list[BaseRoute]:
    """One route for each file of the page: no path comes from the browser."""
    routes: list[BaseRoute] = []
    for file in sorted(resources.files(__package__).joinpath("page").iterdir(), key=str):
        kind = mimetypes.guess_type(file.name)[0]
        if file.name.endswith(".js"):  # what a machine's own table says may be wrong
            kind = "text/javascript"
        path = "/" if file.name == "index.html" else f"/{file.name}"
        routes.append(_file_route(path, file.read_bytes(), kind or "application/octet-stream"))
    return routes


def _file_route(path: str, content: bytes, kind: str) -> Route:
    async def serve(request: Request) -> Response:  # noqa: ARG001
        return Response(content, media_type=kind)

    return Route(path, serve)


class Visitors:
    """The open WebSockets. Each has one request in work at a time; the next ones wait."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._count = 0
        self._limiter: CapacityLimiter | None = None

    async def receive(self, socket: WebSocket) -> None:
        """Serves one visitor from beginning to end."""
        await socket.accept()
        if self._count >= MAX_VISITORS:
            await socket.close(_TRY_AGAIN_LATER, "too many visitors")
            return
        self._count += 1
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._tell, socket)
                await self._listen(socket)
                tasks.cancel_scope.cancel()
        finally:
            self._count -= 1

    async def _tell(self, socket: WebSocket) -> None:
        """Sends the stage's state, and again when it changes."""
        told = ""
        try:
            while True:
                if self._stage.state != told:
                    told = self._stage.state
                    await socket.send_text(told)
                await anyio.sleep(_LOOK_S)
        except WebSocketDisconnect:
            return

    async def _listen(self, socket: WebSocket) -> None:
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
