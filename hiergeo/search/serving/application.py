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

from hiergeo._core.errors import QUOTED, field, sentence
from hiergeo._core.text import one_line, shortened
from hiergeo._core.version import __version__
from hiergeo.search.serving.limits import Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.protection import Protection, error_response, may_pass
from hiergeo.search.serving.routes import JSON, Route

TOO_MUCH = ("less_than_equal", "too_short", "too_long", "string_too_long")
STATUSES = dict.fromkeys(TOO_MUCH, 422) | {"image_too_large": 413}
"""The statuses of errors of pydantic that are not 400."""


def application(
    title: str,
    routes: Sequence[BaseRoute],
    settings: Settings,
    metrics: Metrics,
    facts: Callable[[], dict[str, Any]],
    about: Any = dict[str, Any],
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The application of a server: its routes, and those of health, metrics and OpenAPI, behind `Protection`."""

    async def health(request: Request) -> Response:
        values = facts()
        return JSONResponse(values if may_pass(request.scope, settings) else {"status": values["status"]})

    async def measured() -> Response:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return FastAPI(
        title=title,
        version=__version__,
        routes=[
            Route("GET", "/api/health", health, "Whether the server is up.", answer=about),
            Route("GET", "/metrics", measured, "Metrics in the text format of Prometheus.", media="text/plain"),
            *routes,
        ],
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(Protection, settings=settings, metrics=metrics)],
        exception_handlers={RequestValidationError: _misfit, HTTPException: _failed},
        lifespan=lifespan,
    )


async def _misfit(request: Request, error: Exception) -> Response:
    """The refusal of a request that does not fit its model."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["loc"] == ("body",) and not request.headers.get("content-type", "").lower().startswith(JSON):
        return error_response(Refused(415, f"the body must be {JSON}: set Content-Type."))
    if first["type"] == "json_invalid":
        return error_response(Refused(400, f"the body is not valid JSON: {first['ctx']['error']}."))
    name = shortened(one_line(field(first["loc"][1:])), QUOTED)
    return error_response(Refused(STATUSES.get(first["type"], 400), sentence(error, "the body", skip=1), name or None))


async def _failed(request: Request, error: Exception) -> Response:
    """The refusal of a path or a method that is not there, or of a body that FastAPI could not read."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, Refused):
        return error_response(error.__cause__)
    if error.status_code == 400:
        return error_response(Refused(400, "the body cannot be read as JSON, or did not arrive whole."))
    if error.status_code != 405:
        return error_response(Refused(error.status_code, "nothing is here: /api/openapi.json lists paths."))
    here = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    allowed = ", ".join(sorted({method for route in here for method in getattr(route, "methods", ())}))
    response = error_response(Refused(405, f"the method must be one of {allowed}."))
    response.headers["Allow"] = allowed
    return response
