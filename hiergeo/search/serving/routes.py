"""Routes of FastAPI: what they say of their answers and refusals, and answers that are given up with their client."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, final

from fastapi import Depends
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.requests import Request

from hiergeo.search.serving.limits import Refused

Done = TypeVar("Done")

JSON = "application/json"

BEARER = Depends(HTTPBearer(auto_error=False, description="Needed where the server was started with a token."))
"""Describes the token, which `Protection` checks before a body is read."""


@final
class Failure(BaseModel):
    """One sentence about an error, and the parameter that is to blame; null where none is."""

    error: str
    field: str | None


@final
class Route(APIRoute):
    """A route of one method, with one sentence about it, and the type of its JSON or the media type of what is none."""

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Callable[..., Any],
        about: str,
        *,
        answer: Any = dict[str, Any],
        media: str = JSON,
    ) -> None:
        content = {"content": {media: {}}} if media != JSON else {"model": answer}
        responses: dict[int | str, dict[str, Any]] = {
            200: {"description": "The answer.", **content},
            "default": {"description": "A refusal.", "model": Failure},
        }
        means: dict[str, Any] = {"responses": responses, "dependencies": [BEARER]}
        super().__init__(path, endpoint, methods=[method], summary=about, response_model=None, **means)


async def unless_gone(request: Request, answer: Coroutine[Any, Any, Done]) -> Done:
    """An answer; once the client has closed the connection it leaves the queue (Refused, 499, which nobody reads)."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        answered.cancel()

    answered, left = asyncio.ensure_future(answer), asyncio.ensure_future(gone())
    try:
        return await answered
    except asyncio.CancelledError:
        raise Refused(499, "the client has closed the connection.") from None
    finally:
        answered.cancel()
        left.cancel()
