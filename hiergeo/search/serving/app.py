"""The HTTP application: one service around an index, and the routes to it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, final

from hiergeo._core.errors import HiergeoError
from hiergeo._version import __version__
from hiergeo.geometry import Points
from hiergeo.search import Answer, Climb, Index
from hiergeo.search.groups import Result
from hiergeo.search.serving.application import Said, application, check_installed, unless_gone
from hiergeo.search.serving.batching import Batcher
from hiergeo.search.serving.engine import IndexService
from hiergeo.search.serving.limits import Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.openapi import document
from hiergeo.search.serving.protection import body_of
from hiergeo.search.serving.requests import VERBS, Query, Question, Requests, Verb

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

Done = TypeVar("Done")

READERS = 2
"""Threads that read bodies: JSON is parsed and images are decoded beside the event loop."""


@final
class Service:
    """One index as a service: what the routes and pages of an application share.

    Args:
        index: that is served.
        settings: of the server.
        metrics: of the server, where it serves several indexes.

    Attributes:
        index: that is served.
        settings: of the server.
        metrics: of the server.
        requests: parameters and limits.
        engine: that answers.
    """

    def __init__(self, index: Index, settings: Settings, metrics: Metrics | None = None) -> None:
        self.index, self.settings, self.metrics = index, settings, metrics or Metrics()
        self.requests = Requests(settings.limits, index.encoder.dim)
        self.engine = IndexService(index, settings, self.metrics)
        self.started = time.monotonic()
        self._batcher: Batcher | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._adding = asyncio.Lock()

    async def ask(self, question: Question) -> list[Result]:
        """The answers to a question, from a sweep that others may share.

        Raises:
            HiergeoError: it cannot be answered; `Refused` says with which status.
        """
        batcher = self._begun()
        try:
            self.engine.space(question.geometry)
        except HiergeoError as error:
            raise Refused(400, str(error), "geometry") from error
        return await batcher.ask(question)

    async def points(self, queries: Sequence[Query], geometry: str | None) -> Points:
        """Queries as points of a geometry around the root of the index, between two sweeps.

        Raises:
            HiergeoError: they cannot be embedded, or the index has no such space.
        """
        return await self._begun().work(partial(self.engine.points, queries, geometry))

    async def beside(self, task: Callable[[], Done]) -> Done:
        """Run something that takes long, beside the event loop and the engine."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, task)

    async def add(self, kind: str, content: bytes) -> dict[str, int]:
        """Add the items of a body; one addition is stored at a time."""
        batcher = self._begun()
        if not self.settings.writable:
            raise Refused(403, "this server is read-only: start it with --writable to add items.")
        addition = await self.beside(partial(self.requests.of_addition, kind, content))
        async with self._adding:
            embeddings = await self.beside(partial(self.engine.embed, addition))
            return await batcher.work(partial(self.engine.store, addition, embeddings))

    def facts(self) -> dict[str, Any]:
        """What the server says of itself."""
        facts = self.index.encoder.facts
        return {
            "status": "ok",
            "version": __version__,
            "rows": len(self.index),
            "generation": self.index.manifest.generation,
            "model": None if facts is None else facts.name,
            "dim": self.index.encoder.dim,
            "geometry": self.index.space.geometry.spec,
            "embeds": self.settings.embeds and facts is not None,
            "writable": self.settings.writable,
            "uptime": round(time.monotonic() - self.started, 3),
        }

    def _begun(self) -> Batcher:
        if self._batcher is None:
            raise Refused(
                503, "the lifespan of the application has not begun: enter service.lifespan in that around it."
            )
        return self._batcher

    @contextlib.asynccontextmanager
    async def lifespan(self, _: "Starlette") -> AsyncIterator[None]:
        """Run the queue while the application runs; what is in flight when it ends is finished.

        An application that mounts this one must enter it in its own lifespan, since Starlette starts none of a mounted
        application.
        """
        self._batcher = Batcher(self.engine.answer, self.settings, self.metrics)
        self._readers = ThreadPoolExecutor(READERS, "hiergeo-reader")
        queue = asyncio.create_task(self._batcher.run())
        try:
            yield
        finally:
            queue.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await queue
            self._batcher.close()
            self._readers.shutdown(wait=True, cancel_futures=True)


def create_app(index: Index, settings: Settings | None = None, *, routes: Sequence["BaseRoute"] = ()) -> "Starlette":
    """The application that serves an index; `app.state.service` is its `Service`.

    Args:
        index: to be served.
        settings: of the server.
        routes: more routes, such as those of a page, behind the same protection; WebSockets are refused.

    Raises:
        UnavailableError: starlette or prometheus-client is not installed.
    """
    check_installed()
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    service = Service(index, settings or Settings())

    def asked(verb: Verb) -> Callable[["Request"], Awaitable["Response"]]:
        async def answer(request: "Request") -> "Response":
            if request.method == "POST":
                content = await body_of(request, service.settings.limits)
                kind = request.headers.get("content-type", "")
                question = await service.beside(partial(service.requests.of_body, verb, kind, content))
                given = await unless_gone(request, service.ask(question))
                return JSONResponse({"answers": [plain(each) for each in given]})
            question = service.requests.of_query_string(verb, request.scope["query_string"])
            return JSONResponse(plain((await unless_gone(request, service.ask(question)))[0]))

        return answer

    async def add(request: "Request") -> "Response":
        content = await body_of(request, service.settings.limits)
        return JSONResponse(await service.add(request.headers.get("content-type", ""), content))

    own = [
        *(Route(f"/api/{verb}", asked(verb), methods=["GET", "POST"]) for verb in VERBS),
        Route("/api/add", add, methods=["POST"]),
    ]
    said = Said(service.facts, partial(document, service.requests, service.settings))
    app = application([*own, *routes], service.settings, service.metrics, said, service.lifespan)
    app.state.service = service
    return app


def plain(given: Result) -> dict[str, Any]:
    """An answer in values of JSON."""
    return given.as_dict() if isinstance(given, Answer | Climb) else {"count": given}
