"""Routes of FastAPI whose requests are read by the rules of every server of the package.

A query string is UTF-8 and names each parameter once; a body is JSON without repeated keys or deep nesting, or, where a
route takes them, a form with one image. The pydantic model of the route checks what is read so, and describes it in
OpenAPI.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, TypeVar, final
from urllib.parse import parse_qsl

from fastapi import Body, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hiergeo._core.storage.documents import parse_json
from hiergeo.search.serving.limits import STRUCTURE, VALUE_BYTES, Limits, Refused

Done = TypeVar("Done")

JSON = "application/json"

DIGITS = 1000
"""Of a whole number in JSON, so that one that is too large is refused by the field that it stands in."""

READERS = ThreadPoolExecutor(2, "hiergeo-reader")
"""The threads that parse JSON and decode images beside the event loops of all servers of the process."""

REFUSALS = {
    400: "A parameter is unknown, missing or does not fit.",
    401: "The token is missing or wrong.",
    403: "The server is read-only.",
    404: "There is no such item, picture or tile.",
    405: "The path takes other methods.",
    408: "The body did not arrive in time.",
    409: "What the request refers to has changed.",
    413: "The body or an image is too large.",
    415: "The body is of another type.",
    422: "The request asks for too much.",
    500: "An unexpected error.",
    503: "The server is busy or a required service is unavailable; Retry-After says when to try again.",
    504: "The answer took too long.",
    507: "The disk of the server is full; nothing was stored.",
}
"""What statuses of errors mean."""

Answer = Callable[..., Awaitable[Response]]


@final
class Failure(BaseModel):
    """One sentence about an error, and the parameter that is to blame; null where none is."""

    error: str
    field: str | None


@final
class StrictRoute(APIRoute):
    """A route of one method.

    Args:
        method: of HTTP.
        path: with parameters in braces.
        answer: called with the request, ``values`` if there is a model, and the parameters of the path.
        about: one sentence.
        model: of the query string of a GET, or of the body of a POST.
        told: type of the JSON of an answer.
        media: type of an answer that is not JSON.
        named: types of the parameters of the path.
        queries: whether the body may be long, since it holds texts, embeddings or images.
        allowed: called before the body is read; raises Refused.
    """

    def __init__(
        self,
        method: str,
        path: str,
        answer: Answer,
        about: str,
        *,
        model: Any = None,
        told: Any = dict[str, Any],
        media: str = JSON,
        named: Mapping[str, Any] | None = None,
        queries: bool = False,
        allowed: Callable[[], None] = lambda: None,
    ) -> None:
        async def endpoint(**given: Any) -> Response:
            return await answer(**given)

        types = {"request": Request, **(named or {})}
        if model is not None:
            types["values"] = Annotated[model, Query() if method == "GET" else Body()]
        keyword = inspect.Parameter.KEYWORD_ONLY
        endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # FastAPI reads it
            [inspect.Parameter(name, keyword, annotation=kind) for name, kind in types.items()]
        )
        content = {"content": {media: {}}} if media != JSON else {"model": told}
        self.queries, self.allowed = queries, allowed
        answers: dict[int | str, dict[str, Any]] = {200: {"description": "The answer.", **content}}
        answers |= {status: {"description": words, "model": Failure} for status, words in REFUSALS.items()}
        super().__init__(
            path,
            endpoint,
            methods=[method],
            response_model=None,
            summary=about,
            operation_id=f"{method.lower()}_{path.partition('{')[0].strip('/').rpartition('/')[2]}",
            responses=answers,
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers requests, once they have been read."""
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            query = query_values(request.scope["query_string"])
            self.allowed()
            content = None if self.body_field is None else await _content(request, self.queries)
            return await handle(_Read(request, query, content))

        return read


class _Read(Request):
    """A request whose query string and body have been read."""

    def __init__(self, request: Request, query: Mapping[str, str], content: Any) -> None:
        headers = [each for each in request.scope["headers"] if each[0] != b"content-type"]
        super().__init__({**request.scope, "headers": [*headers, (b"content-type", JSON.encode())]}, request.receive)
        self._query, self._value = QueryParams(query), content

    @property
    def query_params(self) -> QueryParams:
        """The parameters of the query string, each once."""
        return self._query

    async def body(self) -> bytes:
        """Something, since FastAPI asks for the JSON of a body that is not empty."""
        return b"JSON"

    async def json(self) -> Any:
        """The value of the body."""
        return self._value


async def run_in_thread(task: Callable[[], Done]) -> Done:
    """Run something that takes long beside the event loop, two tasks at a time."""
    return await asyncio.get_running_loop().run_in_executor(READERS, task)


async def unless_gone(request: Request, answer: Coroutine[Any, Any, Done]) -> Done:
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


@final
class Bodies:
    """How many bytes the bodies that a server holds may still grow by, all together."""

    def __init__(self, left: int) -> None:
        self.left = left

    def extend(self, body: bytearray, part: bytes) -> None:
        """Add a part to a body; raises Refused."""
        if len(part) > self.left:
            raise Refused(503, "the server reads too many bodies at a time: try again.", retry_after=1)
        self.left -= len(part)
        body += part


async def read_body(request: Request, body: bytearray, bodies: Bodies, limits: Limits, *, queries: bool = True) -> None:
    """Read the body of a request; what follows too many values is dropped, so that the client hears of it.

    Raises:
        Refused: it is too long or holds too many values (413) or too much structure (400), or does not arrive in time
            (408) or whole (400); the server holds too much (503).
    """
    most = limits.body_bytes if queries else min(limits.plain_bytes, limits.body_bytes)
    too_long = Refused(413, f"the body is longer than {most:,} bytes: send less at a time.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and len(length) < 20 and int(length) > most:
        raise too_long

    async def read() -> None:
        size = values = structure = 0
        async for part in request.stream():
            size += len(part)
            values += _count(part, b",\\")
            structure += _count(part, b":[{")
            if size > most:
                raise too_long
            if values * VALUE_BYTES <= most and structure <= STRUCTURE:
                bodies.extend(body, part)
        if structure > STRUCTURE:
            raise Refused(400, "the body holds more lists, objects and keys than a request needs: send less at a time.")
        if values * VALUE_BYTES > most:
            raise Refused(413, "the body holds more values than it may: send less at a time.")

    try:
        await asyncio.wait_for(read(), limits.read_seconds)
    except asyncio.TimeoutError:
        raise Refused(408, f"the body did not arrive within {limits.read_seconds:g} seconds: send it again.") from None
    except ClientDisconnect:
        raise Refused(400, "the connection was closed before the body had arrived.") from None


def _count(part: bytes, characters: bytes) -> int:
    return len(part) - len(part.translate(None, characters))


def query_values(content: bytes) -> dict[str, str]:
    """The values of a query string by name; raises Refused."""
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, strict_parsing=bool(content), errors="strict"
        )
    except ValueError:
        raise Refused(400, "the query string is not UTF-8 in percent-encoding: write name=value&...") from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise Refused(400, f"the parameter {name[:60]!r} is there twice.", name[:60])
        values[name] = value
    return values


async def _content(request: Request, queries: bool) -> Any:
    """The value of a JSON body; raises Refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refused(415, f"the body must be {JSON}: set Content-Type.")
    state, body = request.app.state, bytearray()
    try:
        await read_body(request, body, state.bodies, state.limits, queries=queries)
        return await run_in_thread(partial(parse_json, bytes(body), digits=DIGITS))
    except ValueError as error:
        raise Refused(400, f"the body is not valid JSON: {str(error).rstrip('.')}.") from None
    finally:
        state.bodies.left += len(body)
