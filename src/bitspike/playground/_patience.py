"""A connection that does not say what it wants is closed: half a request must not wait for ever."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE_S = 10.0


class PatientProtocol(H11Protocol):
    """HTTP in which a whole request must have come `PATIENCE_S` after its connection was opened.

    The same holds after each answer: what ends a connection between two requests is uvicorn's
    keep-alive, but that ends with the first byte. A connection that has become a WebSocket is no
    longer this protocol's.
    """

    patience = PATIENCE_S
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stops waiting if this completes a request; else begins to, if it has not begun."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Waits again, if a part of the next request is there already."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops waiting."""
        self._stop()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.transport.get_protocol() is not self or self.conn.their_state is h11.DONE:
            self._stop()
        elif self._timer is None and self._has_begun():
            self._wait()

    def _has_begun(self) -> bool:
        return self.conn.their_state is not h11.IDLE or bool(self.conn.trailing_data[0])

    def _wait(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(self.patience, self._give_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self.transport.abort()
