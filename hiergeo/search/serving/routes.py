"""Routes of FastAPI whose bodies are read within the limits of the server."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, final

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hiergeo.search.serving.limits import STRUCTURE, Limits, Refused

Done = TypeVar("Done")

JSON = "application/json"

READERS = ThreadPoolExecutor(2, "hiergeo-reader")
"""The threads that read files beside the event loops of all servers of the process."""

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


@final
class Failure(BaseModel):
    """One sentence about an error, and the parameter that is to blame; null where none is."""

    error: str
    field: str | None


@final
class Route(APIRoute):
    """A route of one method; the body of a request has been read and parsed when FastAPI validates it.

    Args:
        method: of HTTP.
        path: with parameters in braces.
        endpoint: answers with a response.
        about: one sentence.
        answer: type of the JSON of an answer.
        media: type of an answer that is not JSON.
    """

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
        responses: dict[int | str, dict[str, Any]] = {200: {"description": "The answer.", **content}}
        responses |= {status: {"description": words, "model": Failure} for status, words in REFUSALS.items()}
        super().__init__(
            path,
            endpoint,
            methods=[method],
            response_model=None,
            summary=about,
            operation_id=f"{method.lower()}_{path.partition('{')[0].strip('/').rpartition('/')[2]}",
            responses=responses,
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers requests; the server counts a body as held until then."""
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            if self.body_field is None:
                return await handle(request)
            state, body = request.app.state, bytearray()
            try:
                await read_body(request, body, state.bodies, state.limits)
                return await handle(_Parsed(request, parsed(body)))
            finally:
                state.bodies.left += len(body)

        return read


class _Parsed(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._value = value

    async def body(self) -> bytes:
        """Something, since FastAPI asks for the JSON of a body that is not empty."""
        return b"JSON"

    async def json(self) -> Any:
        """The value of the body."""
        return self._value


def parsed(body: bytes | bytearray) -> Any:
    """The value of JSON; raises Refused."""
    if sum(map(body.count, (b"[", b"{", b":"))) > STRUCTURE:
        raise Refused(413, "the body holds more lists, objects and keys than a request needs: send less at a time.")
    try:
        return from_json(bytes(body))
    except ValueError as error:
        raise Refused(400, f"the body is not valid JSON: {str(error).rstrip('.')}.") from None


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

    answered, left = asyncio.ensure_future(answer), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({answered, left}, return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise Refused(499, "the client has closed the connection.")
        return answered.result()
    finally:
        for task in (answered, left):
            task.cancel()


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


async def read_body(request: Request, body: bytearray, bodies: Bodies, limits: Limits) -> None:
    """Read the body of a request.

    Raises:
        Refused: it is of another type (415), too long (413), or does not arrive in time (408) or whole (400); the
            server holds too much (503).
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refused(415, f"the body must be {JSON}: set Content-Type.")
    too_long = Refused(413, f"the body is longer than {limits.body_bytes:,} bytes: send less at a time.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and (len(length) > 20 or int(length) > limits.body_bytes):
        raise too_long

    async def read() -> None:
        async for part in request.stream():
            if len(body) + len(part) > limits.body_bytes:
                raise too_long
            bodies.extend(body, part)

    try:
        await asyncio.wait_for(read(), limits.read_seconds)
    except asyncio.TimeoutError:
        raise Refused(408, f"the body did not arrive within {limits.read_seconds:g} seconds: send it again.") from None
    except ClientDisconnect:
        raise Refused(400, "the connection was closed before the body had arrived.") from None
