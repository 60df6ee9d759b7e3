"""The HTTP application: one service around an index, and the routes to it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, final

import torch

from hiergeo._core.errors import HiergeoError
from hiergeo._core.version import __version__
from hiergeo.geometry import Points
from hiergeo.search import Answer, Climb, Index
from hiergeo.search.groups import Result
from hiergeo.search.requests import KINDS, Kind
from hiergeo.search.serving.answer_schemas import ABOUT, ANSWERS, Added, Health, list_of, schema
from hiergeo.search.serving.batching import Batcher, Question
from hiergeo.search.serving.engine import IndexService
from hiergeo.search.serving.limits import Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.wire import Models, Query, check_dimension, requests_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.routing import BaseRoute

SLICE = 32
"""Captions of an addition that are embedded before queries get their turn."""


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
        """The answers to requests of one space, from a sweep that others may share; raises HiergeoError."""
        try:
            self.index.chosen(question[0].space)
        except HiergeoError as error:
            raise Refused(400, str(error), "geometry") from error
        return await self._begun().ask(question)

    async def points(self, queries: Sequence[Query], geometry: str | None) -> Points:
        """Queries as points of a geometry around the root of the index, between two sweeps; raises HiergeoError."""
        return await self._begun().work(partial(self.engine.points, queries, geometry))

    async def add(self, addition: Any) -> dict[str, int]:
        """Add the items of a model of `Models.addition`; one addition is stored at a time."""
        work = self._begun().work
        for row, vector in enumerate(addition.embeddings or ()):
            check_dimension(vector, f"embeddings[{row}]", self.index.encoder.dim)
        captions = addition.captions or []
        slices = (captions[start : start + SLICE] for start in range(0, len(captions), SLICE))
        async with self._adding:
            parts = addition.embeddings or [await work(partial(self.engine.encode, "texts", part)) for part in slices]
            embeddings = torch.cat([part.view(-1, part.shape[-1]) for part in parts])
            return await work(partial(self.engine.store, addition, embeddings))

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
            raise Refused(503, "the application has not begun: enter service.lifespan in the lifespan around it.")
        return self._batcher

    @contextlib.asynccontextmanager
    async def lifespan(self, _: object) -> AsyncIterator[None]:
        """Run the queue, and finish what is in flight; an application that mounts this one enters it in its own."""
        self._batcher = Batcher(self.engine.answer, self.settings, self.metrics)
        async with self._batcher.running():
            yield


def create_app(index: Index, settings: Settings | None = None) -> "FastAPI":
    """The application that serves an index; `app.state.service` is its `Service`. WebSockets are refused.

    Raises UnavailableError where fastapi, uvicorn or prometheus-client is not installed.
    """
    service = Service(index, settings or Settings())
    from hiergeo.search.serving.application import application

    routes = _routes(service)
    app = application("hiergeo", routes, service.settings, service.metrics, service.facts, Health, service.lifespan)
    app.state.service = service
    return app


def _routes(service: Service) -> list["BaseRoute"]:
    """The routes of searches and of additions."""
    from fastapi import Body
    from fastapi import Query as Parameters
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    from hiergeo.search.serving.routes import Route, unless_gone

    limits, dim = service.settings.limits, service.index.encoder.dim
    models = Models(limits)

    def searches(kind: Kind) -> list["BaseRoute"]:
        async def answers(request: Request, values: Any) -> list[dict[str, Any]]:
            results = await unless_gone(request, service.ask(requests_of(kind, values, dim, limits)))
            return [result.as_dict() if isinstance(result, Answer | Climb) else {"count": result} for result in results]

        one_model, many_model = models.search(kind, q=models.text), models.search(kind, queries=models.queries)

        async def one(request: Request, values: Annotated[one_model, Parameters()]) -> Response:  # type: ignore[valid-type]
            return JSONResponse((await answers(request, values))[0])

        async def many(request: Request, values: Annotated[many_model, Body()]) -> Response:  # type: ignore[valid-type]
            return JSONResponse({"answers": await answers(request, values)})

        about, path, answer = ABOUT[kind], f"/api/{kind}", ANSWERS[kind]
        listed = schema(f"{kind}_answers", answers=list_of(answer))
        several = Route("POST", path, many, f"{about} Several queries.", answer=listed)
        return [Route("GET", path, one, about, answer=answer), several]

    addition = models.addition()

    async def add(values: Annotated[addition, Body()]) -> Response:  # type: ignore[valid-type]
        return JSONResponse(await service.add(values))

    async def read_only() -> Response:
        raise Refused(403, "this server is read-only: start it with --writable to add items.")

    adding, about = add if service.settings.writable else read_only, "Add items, durably when the answer comes."
    return [*chain(*map(searches, KINDS)), Route("POST", "/api/add", adding, about, answer=Added)]
