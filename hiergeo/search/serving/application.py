"""What every server of the package shares: protected routes, errors as JSON, health, metrics and OpenAPI."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from hiergeo._core.errors import QUOTED, HiergeoError, field, sentence
from hiergeo._core.text import one_line, shortened
from hiergeo._core.version import __version__
from hiergeo.search.serving.limits import Refused, Settings, refusal_of
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.protection import Protection, error_response, may_pass
from hiergeo.search.serving.routes import Bodies, Route

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]

STATUSES = {"too_long": 422, "too_short": 422, "string_too_long": 422, "bytes_too_long": 413}
"""Of errors of pydantic that are not 400."""


def application(
    title: str,
    routes: Sequence[BaseRoute],
    settings: Settings,
    metrics: Metrics,
    facts: Callable[[], dict[str, Any]],
    about: Any = dict[str, Any],
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """The application of a server: its routes, and those of health, metrics and OpenAPI, behind `Protection`."""

    async def health(request: Request) -> Response:
        values = facts()
        return JSONResponse(values if may_pass(request.scope, settings) else {"status": values["status"]})

    async def measured(request: Request) -> Response:
        text, kind = metrics.text()
        return Response(text, media_type=kind)

    async def described(request: Request) -> Response:
        document = app.openapi()
        if settings.token is not None:
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
        return JSONResponse(document)

    every = [
        Route("GET", "/api/health", health, "Whether the server is up.", answer=about),
        Route("GET", "/api/openapi.json", described, "This document."),
        Route("GET", "/metrics", measured, "Metrics in the text format of Prometheus.", media="text/plain"),
        *routes,
    ]
    app = FastAPI(
        title=title,
        version=__version__,
        routes=every,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[Middleware(Protection, settings=settings, metrics=metrics, routes=every)],
        exception_handlers={
            HiergeoError: _refused,
            RequestValidationError: _misfit,
            HTTPException: _missed,
        },
        lifespan=lifespan,
    )
    app.state.limits, app.state.bodies = settings.limits, Bodies(settings.limits.held_bytes)
    return app


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HiergeoError)
    return error_response(refusal_of(error))


async def _misfit(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = shortened(one_line(field(first["loc"][1:])), QUOTED)
    return error_response(Refused(STATUSES.get(first["type"], 400), sentence(error, "the body", skip=1), name or None))


async def _missed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code != 405:
        return error_response(Refused(error.status_code, "nothing is here: /api/openapi.json lists paths."))
    here = (each for each in request.app.routes if each.matches(request.scope)[0] is not Match.NONE)
    allowed = ", ".join(sorted({method for each in here for method in getattr(each, "methods", ())}))
    response = error_response(Refused(405, f"the method must be one of {allowed}."))
    response.headers["Allow"] = allowed
    return response
