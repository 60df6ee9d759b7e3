"""What every server of the package shares: protected routes, errors as JSON, health, metrics and its description."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hiergeo._core import extras
from hiergeo._core.errors import HiergeoError
from hiergeo.search.serving.limits import Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.protection import Protection, error_response, may_pass
from hiergeo.search.serving.values import refusal_of

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

Done = TypeVar("Done")

Lifespan = Callable[["Starlette"], AbstractAsyncContextManager[None]]


class Said(NamedTuple):
    """What a server says of itself when it is asked.

    Attributes:
        facts: its health; ``status`` alone is told without the token.
        document: its interface, OpenAPI 3.1.
    """

    facts: Callable[[], dict[str, Any]]
    document: Callable[[], dict[str, Any]]


def check_installed() -> None:
    """Raise UnavailableError unless starlette is installed."""
    extras.require("starlette", "a server")


def application(
    routes: Sequence["BaseRoute"], settings: Settings, metrics: Metrics, said: Said, lifespan: Lifespan
) -> "Starlette":
    """The application of a server: its routes, and those of health, metrics and OpenAPI, behind `Protection`.

    Args:
        routes: of the server; WebSockets are refused.
        settings: of the server.
        metrics: of the server.
        said: what it says of itself.
        lifespan: what runs while the application runs.

    Raises:
        UnavailableError: starlette is not installed.
    """
    check_installed()
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def health(request: "Request") -> "Response":
        told = said.facts()
        return JSONResponse(told if may_pass(request.scope, settings) else {"status": told["status"]})

    async def measured(_: "Request") -> "Response":
        text, kind = metrics.text()
        return Response(text, media_type=kind)

    async def described(_: "Request") -> "Response":
        return JSONResponse(said.document())

    async def refused(_: "Request", error: Exception) -> "Response":
        assert isinstance(error, HiergeoError)
        return error_response(refusal_of(error))

    async def missed(request: "Request", error: Exception) -> "Response":
        assert isinstance(error, HTTPException)
        allowed = (error.headers or {}).get("Allow")
        told = f"the method must be one of {allowed}." if allowed else "nothing is here: /api/openapi.json lists paths."
        response = error_response(Refused(error.status_code, told))
        if allowed:
            response.headers["Allow"] = allowed
        return response

    shared = [
        Route("/api/health", health),
        Route("/api/openapi.json", described),
        Route("/metrics", measured),
    ]
    every = [*shared, *routes]
    protection = Middleware(Protection, settings=settings, metrics=metrics, routes=every)
    handlers = {HiergeoError: refused, HTTPException: missed}
    app = Starlette(routes=every, middleware=[protection], exception_handlers=handlers, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


async def unless_gone(request: "Request", answer: Coroutine[Any, Any, Done]) -> Done:
    """An answer; it is given up once the client has closed the connection, and leaves the queue.

    Raises:
        Refused: 499, which nobody reads.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    asked, left = asyncio.ensure_future(answer), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({asked, left}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise Refused(499, "the client has closed the connection.")
        return asked.result()
    finally:
        for each in (asked, left):
            each.cancel()
