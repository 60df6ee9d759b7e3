"""Running an application: the socket, connections that take too long, and a stop that finishes what is in flight."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING

from hiergeo._core import extras
from hiergeo._core.errors import UnavailableError, reason
from hiergeo.search.serving.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn import Server


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens at a name or an address of this machine; connections wait until `serve` takes them.

    Port 0 lets the system choose. Raises UnavailableError for a host that is not one of this machine, and a port that
    is in use or not for this user.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        message = f"cannot listen on {host} port {port}: {reason(error)}; choose another with --port, or 0 for any."
        raise UnavailableError(message) from error


def url_of(bound: socket.socket) -> str:
    """The URL of a socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: "ASGIApp", bound: socket.socket, limits: Limits) -> None:
    """Serve an application until SIGTERM or SIGINT; requests in flight are finished, within `Limits.stop_seconds`.

    Raises UnavailableError where uvicorn is not installed.
    """
    with _signals():
        asyncio.run(_server(app, limits).serve([bound]))


@contextmanager
def running(app: "ASGIApp", limits: Limits | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an application from a thread within the block, for notebooks and tests; gives the URL. Raises as `bind`."""
    server = _server(app, limits or Limits())
    with bind(host, port) as bound:
        thread = Thread(target=asyncio.run, args=(server.serve([bound]),), name="hiergeo-server")
        thread.start()
        try:
            yield url_of(bound)
        finally:
            server.should_exit = True
            thread.join()


def _server(app: "ASGIApp", limits: Limits) -> "Server":
    extras.require("uvicorn", "a server")
    from uvicorn import Config, Server

    from hiergeo.search.serving.connections import Connection

    config = Config(
        app,
        http=partial(Connection, limits),  # type: ignore[arg-type]  # uvicorn calls it
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(limits.stop_seconds)),
    )
    return Server(config)


@contextmanager
def _signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGINT end the server alone, which raises them once more when it has ended."""
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
