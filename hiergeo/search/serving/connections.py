"""Connections that take too long: one deadline, which stands still while a request is being answered."""

import asyncio
from typing import Any, final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from hiergeo.search.serving.limits import Limits

CONNECTION = "hiergeo.connection"
"""The key of the connection in the state of a request."""

SENTENCE = b'{"error": "the server has too many connections: try again.", "field": null}'

BUSY = b"\r\n".join(
    (
        b"HTTP/1.1 503 Service Unavailable",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(SENTENCE),
        b"Retry-After: 1",
        b"Connection: close",
        b"",
        SENTENCE,
    )
)
"""What a connection beyond `Limits.connections` gets."""


@final
class Connection(H11Protocol):
    """The protocol of uvicorn, and a deadline: a connection that brings no whole request in time is aborted.

    A client that has ended its side, having sent a whole request, still gets its answer.
    """

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, CONNECTION: self}, _loop)
        self.limits = limits
        self._answering, self._half_closed = 0, False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.write(BUSY)
            transport.close()
        self._deadline = self.in_time()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        self._half_closed = self.cycle is not None and not (self.cycle.more_body or self.cycle.response_complete)
        return self._half_closed

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def in_time(self) -> asyncio.TimerHandle:
        """A timer that aborts the connection unless it is cancelled in time."""
        return self.loop.call_later(self.limits.read_seconds, self.transport.abort)

    def begin(self) -> None:
        """A request has arrived."""
        self._answering += 1
        self._stop()

    def end(self) -> None:
        """It has been answered; the client has the same time again to take the answer and send the next one."""
        self._answering -= 1
        if not self._answering and self in self.connections:
            self._deadline = self.in_time()
            if self._half_closed:
                self.loop.call_soon(self._close)

    def _close(self) -> None:
        if not self._answering:  # a request behind the first one, sent with it, may have begun
            self.transport.close()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


@final
class Attended:
    """Middleware that tells a `Connection` when a request begins and ends, and aborts one that takes no answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        connection: Connection = scope["state"].pop(CONNECTION)

        async def sent(message: Message) -> None:
            timer = connection.in_time()
            try:
                await send(message)
            finally:
                timer.cancel()

        connection.begin()
        try:
            await self.app(scope, receive, sent)
        finally:
            connection.end()
