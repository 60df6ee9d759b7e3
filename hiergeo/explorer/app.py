"""The application of the explorer: one service for each index of a collection, the routes to them, and the page."""

import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, final

import torch

from hiergeo._version import __version__
from hiergeo.errors import HiergeoError, InputError
from hiergeo.explorer import pages
from hiergeo.explorer.answers import Answers
from hiergeo.explorer.collection import Collection, Lens
from hiergeo.explorer.facts import collection_facts
from hiergeo.explorer.openapi import document
from hiergeo.explorer.questions import Asked, Questions
from hiergeo.search import Item
from hiergeo.search.groups import Result
from hiergeo.serving import Service, Settings
from hiergeo.serving.application import Said, application, check_installed, unless_gone
from hiergeo.serving.limits import Refused
from hiergeo.serving.metrics import Metrics
from hiergeo.serving.protection import body_of
from hiergeo.serving.requests import VERBS, Query, Verb

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

OPEN = frozenset({"/", "/page/*"})
"""The page and its files, which hold nothing of a collection: a browser sends no token when it opens them."""

PRIVATE = "private, max-age=300"
"""Of thumbnails: a browser keeps them for five minutes, a proxy never."""


@final
class Explorer:
    """A collection as a server: what its routes share.

    Args:
        collection: that is explored.
        settings: of the server.

    Attributes:
        collection: that is explored.
        settings: of the server.
        metrics: of the server.
        questions: what can be asked.
        answers: how answers are written.
    """

    def __init__(self, collection: Collection, settings: Settings) -> None:
        self.collection, self.settings = collection, dataclasses.replace(settings, open_paths=OPEN)
        self.metrics = Metrics()
        self.questions, self.answers = Questions(collection, settings.limits), Answers(collection)
        self.started = time.monotonic()
        self._facts: tuple[object, dict[str, Any]] | None = None
        self._services = {id(index): Service(index, settings, self.metrics) for index in collection.indexes}

    def warm_up(self) -> list[str]:
        """Load the models of the indexes and make one sweep of each; an index whose model is away takes no texts.

        Returns:
            A sentence about every index that takes no texts.
        """
        told = []
        for key, service in self._services.items():
            try:
                service.engine.warm_up()
            except HiergeoError as error:
                settings = dataclasses.replace(self.settings, embeds=False)
                self._services[key] = Service(service.index, settings, self.metrics)
                told.append(f"texts and photos cannot be searched: {error}")
            else:
                if service.index.encoder.facts is None:
                    told.append("texts and photos cannot be searched: an index does not say which model embedded it.")
        return told

    def service(self, lens: Lens) -> Service:
        """The service of the index of a lens, whose questions share sweeps."""
        return self._services[id(lens.index)]

    @property
    def first(self) -> Service:
        """The service of the index that ids and captions are read from."""
        return self.service(self.collection.lenses[0])

    async def ask(self, asked: Asked) -> list[Result]:
        """The answers to a question.

        Raises:
            Refused: 404, it asks about an item that is not there; or as `Service.ask`.
        """
        self.check_items(asked.lens, asked.question.queries)
        return await self.service(asked.lens).ask(asked.question)

    def check_items(self, lens: Lens, queries: Sequence[Query]) -> None:
        """Raise Refused, 404, for an item among the queries that the index of a lens does not hold."""
        ids = torch.tensor([query.id for query in queries if isinstance(query, Item)], dtype=torch.int64)
        missing = ids[~lens.index.store.holds(ids)]
        if len(missing):
            raise Refused(404, f"there is no item {int(missing[0])}.", "item")

    def picture(self, item: int, side: int) -> bytes:
        """The picture of an item as a small JPEG file.

        Raises:
            Refused: 404, there is no such item, it has no picture that may be shown, or its file is damaged.
        """
        try:
            if self.collection.pictures is None:
                raise InputError("the collection has no pictures.")
            return self.collection.pictures.jpeg(item, side)
        except InputError as error:
            raise Refused(404, str(error), "item") from error

    def described(self) -> dict[str, Any]:
        """What the page has to know of the collection; counted anew when an index has changed."""
        now = tuple(index.manifest.generation for index in self.collection.indexes)
        if self._facts is None or self._facts[0] != now:
            embeds = {lens.key: self.service(lens).engine.embeds() for lens in self.collection.lenses}
            self._facts = now, collection_facts(self.collection, self.settings.limits, embeds)
        return self._facts[1]

    def health(self) -> dict[str, Any]:
        """What the server says of its health."""
        return {
            "status": "ok",
            "version": __version__,
            "items": len(self.collection.first),
            "lenses": len(self.collection.lenses),
            "uptime": round(time.monotonic() - self.started, 3),
        }

    @contextlib.asynccontextmanager
    async def lifespan(self, app: "Starlette") -> AsyncIterator[None]:
        """Run the queues of all services while the application runs."""
        async with contextlib.AsyncExitStack() as stack:
            for service in self._services.values():
                await stack.enter_async_context(service.lifespan(app))
            yield


def create_explorer(collection: Collection, settings: Settings | None = None) -> "Starlette":
    """The application that lets a browser explore a collection; `app.state.explorer` is its `Explorer`.

    Args:
        collection: that is explored.
        settings: of the server; its open paths are those of the page, and nothing can be added.

    Raises:
        UnavailableError: starlette or prometheus-client is not installed.
    """
    check_installed()
    from starlette.responses import Response
    from starlette.routing import Route

    explorer = Explorer(collection, settings or Settings())

    def asked(verb: Verb) -> Callable[["Request"], Awaitable["Response"]]:
        async def answer(request: "Request") -> "Response":
            if request.method == "POST":
                content = await body_of(request, explorer.settings.limits)
                kind = request.headers.get("content-type", "")
                read = partial(explorer.questions.of_body, verb, kind, content)
                asked = await explorer.first.beside(read)
                return written({"answers": await answered(request, asked)})
            asked = explorer.questions.of_query_string(verb, request.scope["query_string"])
            return written((await answered(request, asked))[0])

        return answer

    async def answered(request: "Request", asked: Asked) -> list[dict[str, Any]]:
        given = await unless_gone(request, explorer.ask(asked))
        return [explorer.answers.answer(query, each) for query, each in zip(asked.question.queries, given, strict=True)]

    def written(value: Any) -> "Response":
        return Response(json.dumps(value, ensure_ascii=False, separators=(",", ":")), media_type="application/json")

    async def described(_: "Request") -> "Response":
        return written(await explorer.first.beside(explorer.described))

    async def thumbnail(request: "Request") -> "Response":
        item, side = explorer.questions.of_thumbnail(request.path_params["item"], request.scope["query_string"])
        held = await explorer.first.beside(partial(explorer.picture, item, side))
        return Response(held, media_type="image/jpeg", headers={"Cache-Control": PRIVATE})

    async def page(request: "Request") -> "Response":
        return pages.page_file(request, request.path_params.get("name", pages.INDEX))

    routes = [
        Route("/", page),
        Route("/page/{name}", page),
        Route("/api/collection", described),
        Route("/api/thumbnail/{item}", thumbnail),
        *(Route(f"/api/{verb}", asked(verb), methods=["GET", "POST"]) for verb in VERBS),
    ]
    said = Said(explorer.health, partial(document, explorer.questions, explorer.settings))
    app = application(routes, explorer.settings, explorer.metrics, said, explorer.lifespan)
    app.state.explorer = explorer
    return app
