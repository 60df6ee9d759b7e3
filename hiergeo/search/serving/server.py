"""Running an application: the socket, connections that take too long, and a stop that finishes what is in flight."""

import asyncio
import ctypes
import gc
import ipaddress
import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import TYPE_CHECKING, Any

from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo.search.serving.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp

BACKLOG = 1024
"""Connections that wait to be accepted."""

ASKED = 2.0
"""Seconds after which a client that has ended its side of the connection is asked whether it is still there."""

MMAP_THRESHOLD, LARGE = -3, 1 << 20
"""The setting of the C library of Linux for the size of large blocks, and that size in bytes."""

MOST_ARENAS, ARENAS = -8, 2
"""Its setting for how many heaps threads share: what is freed in one of many stays there."""

COLLECTED_AFTER = (700, 10, 10)
"""Python's own thresholds of the collection of garbage, whatever the command line set."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""What the Host header may name of a server that listens on loopback."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet.

    Args:
        host: a name or an address.
        port: 0 lets the system choose.

    Raises:
        InputError: the host is not one of this machine.
        UnavailableError: the port is in use, or not for this user.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"the host {host!r} cannot be resolved ({reason(error)}): name one of this machine."
        ) from error
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        message = f"cannot listen on {host} port {port}: {reason(error)}; choose another with --port, or 0 for any."
        raise UnavailableError(message) from error
    return bound


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine reaches a socket."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


def url_of(bound: socket.socket) -> str:
    """The URL of a socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: "ASGIApp", bound: socket.socket, limits: Limits, ready: Callable[[Callable[[], None]], None]) -> None:
    """Serve an application until SIGTERM or SIGINT; requests in flight are finished, within `Limits.stop_seconds`.

    Args:
        app: the application.
        bound: a socket from `bind`.
        limits: of connections.
        ready: called when connections are accepted, with a function that stops the server as SIGTERM does; another
            thread than the main one gets no signals, and can call that one.

    Raises:
        UnavailableError: uvicorn is not installed, or another process took the port meanwhile.
    """
    extras.require("uvicorn", "a server")
    _return_memory()
    from uvicorn import Config, Server

    try:
        bound.listen(BACKLOG)
    except OSError as error:
        raise UnavailableError(f"cannot listen on {url_of(bound)}: {reason(error)}; choose another port.") from error
    config = Config(
        app,
        http=patient_protocol(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(limits.stop_seconds)),
    )

    class Announced(Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if current_thread() is main_thread():
                _spare_collections()
            ready(self.stop)

        def stop(self) -> None:
            self.should_exit = True

    with _signals():
        asyncio.run(Announced(config).serve([bound]))


def _return_memory() -> None:
    """Have large blocks of memory, such as pictures, returned to the system when they are freed.

    The C library of Linux does so until the first is freed, and keeps those of its size from then on.
    """
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
        mallopt(MMAP_THRESHOLD, LARGE)
        mallopt(MOST_ARENAS, ARENAS)


def _spare_collections() -> None:
    """Leave what is there at the start, which stays, out of collections of garbage: they hold up every request."""
    gc.set_threshold(*COLLECTED_AFTER)
    gc.collect()
    gc.freeze()


@contextmanager
def running(app: "ASGIApp", limits: Limits | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an application from a thread within the block, for notebooks and tests; gives the URL. Raises as `bind`."""
    with bind(host, port) as bound, ThreadPoolExecutor(1, "hiergeo-server") as pool:
        stops: list[Callable[[], None]] = []
        started = Event()

        def ready(stop: Callable[[], None]) -> None:
            stops.append(stop)
            started.set()

        served = pool.submit(serve, app, bound, limits or Limits(), ready)
        served.add_done_callback(lambda _: started.set())
        started.wait()
        try:
            if not stops:
                served.result()
            yield url_of(bound)
        finally:
            for stop in stops:
                stop()


def patient_protocol(limits: Limits) -> Any:
    """The HTTP protocol of uvicorn with an end to its patience.

    A connection is closed that sends no whole head of a request within `Limits.read_seconds`, or does not take its
    answer for as long; one beyond `Limits.connections` gets 503 at once. Errors of the protocol are JSON as all others.
    A client that has ended its side still gets its answer; interim responses, which fail, tell one that has gone.
    """
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    def ended(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
        if timer is not None:
            timer.cancel()
        return None

    class PatientProtocol(H11Protocol):
        _ended = False
        _asking: asyncio.TimerHandle | None = None
        _reading: asyncio.TimerHandle | None = None
        _writing: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._refuse(503, "Service Unavailable", "the server has too many connections: try again.")
            else:
                self._reading = self.loop.call_later(limits.read_seconds, transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()
            if self._ended and self.cycle.response_complete:
                self.transport.close()

        def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
            waiting = self.cycle is not None and not self.cycle.response_complete
            self._ended = waiting and self.conn.their_state in (h11.DONE, h11.MUST_CLOSE)
            if self._ended:
                self._asking = self.loop.call_later(ASKED, self._ask)
            return self._ended

        def _ask(self) -> None:
            if self.conn.our_state is h11.SEND_RESPONSE and self.scope["http_version"] == "1.1":
                self.transport.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            self._asking = self.loop.call_later(ASKED, self._ask)

        def _watch(self) -> None:
            """Limit the time that the head of a request takes from its first byte on."""
            if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
                self._reading = self._reading or self.loop.call_later(limits.read_seconds, self.transport.abort)
            elif self.conn.their_state is not h11.IDLE:
                self._reading = ended(self._reading)

        def pause_writing(self) -> None:
            self.flow.pause_writing()
            self._writing = self._writing or self.loop.call_later(limits.read_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self.flow.resume_writing()
            self._writing = ended(self._writing)

        def connection_lost(self, exc: Exception | None) -> None:
            self._reading, self._writing, self._asking = map(ended, (self._reading, self._writing, self._asking))
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            self._refuse(400, "Bad Request", "this is not an HTTP request that the server understands.")

        def _refuse(self, status: int, phrase: str, sentence: str) -> None:
            body = json.dumps({"error": sentence, "field": None})
            head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            retry = "Retry-After: 1\r\n" if status == 503 else ""
            self.transport.write(f"{head}{retry}Connection: close\r\n\r\n{body}".encode())
            self.transport.close()

    return PatientProtocol


@contextmanager
def _signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGINT end the server alone, which passes them on when it has ended."""
    if current_thread() is not main_thread():
        yield
        return

    def passed_on(_: int, __: FrameType | None) -> None:
        return

    before = {each: signal.signal(each, passed_on) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
