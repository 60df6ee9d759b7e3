"""Running an application: the socket, connections that take too long, and a stop that finishes what is in flight."""

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import TYPE_CHECKING

from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo.search.serving.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp

BACKLOG = 1024
"""Connections that wait to be accepted."""

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
    from uvicorn import Config, Server

    from hiergeo.search.serving.connections import Attended, Connection

    try:
        bound.listen(BACKLOG)
    except OSError as error:
        raise UnavailableError(f"cannot listen on {url_of(bound)}: {reason(error)}; choose another port.") from error
    config = Config(
        Attended(app),
        http=partial(Connection, limits),  # type: ignore[arg-type]  # uvicorn calls it
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=max(1, round(limits.stop_seconds)),
    )

    class Announced(Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready(self.stop)

        def stop(self) -> None:
            self.should_exit = True

    with _signals():
        asyncio.run(Announced(config).serve([bound]))


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
