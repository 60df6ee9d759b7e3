"""Connections that take too long: one deadline, which stands still while a request is being answered."""

import asyncio
from typing import Any, final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hiergeo.search.serving.limits import Limits


@final
class Connection(H11Protocol):
    """The protocol of uvicorn, and a deadline: a connection is aborted that brings no whole request or takes no answer.

    One beyond `Limits.connections` is closed. A client that has ended its side still gets its answers.
    """

    def __init__(self, limits: Limits, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits, self._half_closed = limits, False
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._begin_waiting()
        if len(self.connections) > self._limits.connections:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self._answering and not self.flow.write_paused:  # else the client is what is waited for
            self._end_waiting()

    def on_response_complete(self) -> None:
        self._begin_waiting()
        super().on_response_complete()  # which goes on to a request behind this one, sent with it
        if self._half_closed and not self._answering:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._begin_waiting()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answering:
            self._end_waiting()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        self._half_closed = self._answering and self.conn.their_state is not h11.SEND_BODY
        return self._half_closed

    def _begin_waiting(self) -> None:
        self._end_waiting()
        self._deadline = self.loop.call_later(self._limits.read_seconds, self.transport.abort)

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
