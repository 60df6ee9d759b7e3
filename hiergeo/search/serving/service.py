"""The HTTP application: one service around an index, and the routes to it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, final

from hiergeo._core.errors import HiergeoError
from hiergeo._core.version import __version__
from hiergeo.geometry import Points
from hiergeo.search import Answer, Climb, Index
from hiergeo.search.groups import Result
from hiergeo.search.serving.answer_schemas import ANSWERS, Added, Health, list_of, schema
from hiergeo.search.serving.batching import Batcher
from hiergeo.search.serving.engine import IndexService
from hiergeo.search.serving.limits import Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.requests import (
    VERBS,
    Addition,
    Query,
    Question,
    RequestModels,
    Verb,
    addition_of,
    question_of,
)

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


@final
class Service:
    """One index as a service: what the routes and pages of an application share."""

    def __init__(self, index: Index, settings: Settings, metrics: Metrics | None = None) -> None:
        self.index, self.settings, self.metrics = index, settings, metrics or Metrics()
        self.engine = IndexService(index, settings, self.metrics)
        self.started = time.monotonic()
        self._batcher: Batcher | None = None
        self._adding = asyncio.Lock()

    async def ask(self, question: Question) -> list[Result]:
        """The answers to a question, from a sweep that others may share; raises HiergeoError."""
        batcher = self._begun()
        try:
            self.engine.space(question.geometry)
        except HiergeoError as error:
            raise Refused(400, str(error), "geometry") from error
        return await batcher.ask(question)

    async def points(self, queries: Sequence[Query], geometry: str | None) -> Points:
        """Queries as points of a geometry around the root of the index, between two sweeps; raises HiergeoError."""
        return await self._begun().work(partial(self.engine.points, queries, geometry))

    async def add(self, addition: Addition) -> dict[str, int]:
        """Add items; one addition is stored at a time."""
        batcher = self._begun()
        async with self._adding:
            embeddings = await asyncio.to_thread(self.engine.embed, addition)
            return await batcher.work(partial(self.engine.store, addition, embeddings))

    def check_writable(self) -> None:
        """Raise Refused where nothing can be added."""
        if not self.settings.writable:
            raise Refused(403, "this server is read-only: start it with --writable to add items.")

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
    async def lifespan(self, _: object) -> AsyncIterator[None]:
        """Run the queue while the application runs; what is in flight when it ends is finished.

        An application that mounts this one must enter it in its own lifespan, since Starlette starts none of a mounted
        application.
        """
        self._batcher = Batcher(self.engine.answer, self.settings, self.metrics)
        queue = asyncio.create_task(self._batcher.run())
        try:
            yield
        finally:
            queue.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await queue
            self._batcher.close()


def create_app(index: Index, settings: Settings | None = None, *, routes: Sequence["BaseRoute"] = ()) -> "FastAPI":
    """The application that serves an index; `app.state.service` is its `Service`.

    Args:
        index: to be served.
        settings: of the server.
        routes: more routes, such as those of a page, behind the same protection; WebSockets are refused.

    Raises:
        UnavailableError: fastapi or prometheus-client is not installed.
    """
    service = Service(index, settings or Settings())
    from starlette.responses import JSONResponse

    from hiergeo.search.serving.application import application
    from hiergeo.search.serving.routes import StrictRoute, run_in_thread, unless_gone

    limits, dim = service.settings.limits, index.encoder.dim
    models = RequestModels(limits)

    def asked(verb: Verb) -> list[StrictRoute]:
        async def one(request: "Request", values: Any) -> "Response":
            (given,) = await unless_gone(request, service.ask(question_of(verb, values, dim, limits)))
            return JSONResponse(plain(given))

        async def several(request: "Request", values: Any) -> "Response":
            question = await run_in_thread(partial(question_of, verb, values, dim, limits))
            given = await unless_gone(request, service.ask(question))
            return JSONResponse({"answers": [plain(each) for each in given]})

        about, path, kind = VERBS[verb][0], f"/api/{verb}", ANSWERS[verb]
        listed, body = schema(f"{verb}_answers", answers=list_of(kind)), models.asked(verb, queries=models.queries)
        return [
            StrictRoute("GET", path, one, about, model=models.asked(verb, q=models.q), told=kind),
            StrictRoute("POST", path, several, f"{about} Several queries.", model=body, told=listed, queries=True),
        ]

    async def add(request: "Request", values: Any) -> "Response":
        return JSONResponse(await service.add(await run_in_thread(partial(addition_of, values, dim))))

    about = "Add items; they are durable when the answer comes."
    own = [route for verb in VERBS for route in asked(verb)]
    own.append(
        StrictRoute(
            *("POST", "/api/add", add, about),
            model=models.addition(limits),
            told=Added,
            queries=True,
            allowed=service.check_writable,
        )
    )
    every = [*own, *routes]
    app = application("hiergeo", every, service.settings, service.metrics, service.facts, Health, service.lifespan)
    app.state.service = service
    return app


def plain(given: Result) -> dict[str, Any]:
    """An answer in values of JSON."""
    return given.as_dict() if isinstance(given, Answer | Climb) else {"count": given}
