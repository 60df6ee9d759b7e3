"""A collection as a service: what its routes share, above one service of search for each index."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, final

import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.records import plain
from hiergeo._core.version import __version__
from hiergeo.geometry import Points
from hiergeo.report.explorer.answers import AnswerWriter
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.facts import collection_facts
from hiergeo.report.explorer.mapping import Map, build_map
from hiergeo.report.explorer.pages import OPEN
from hiergeo.report.explorer.questions import Questions
from hiergeo.report.explorer.survey import survey_of
from hiergeo.search import Item, Request
from hiergeo.search.distinct import distinct_items
from hiergeo.search.ids import numbers_of
from hiergeo.search.serving import Service, Settings
from hiergeo.search.serving.limits import Refused
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.wire import Query
from hiergeo.search.stores.exact import ExactStore

AGAIN = 2
"""Seconds after which a client that could not wait longer asks again."""


@final
class Explorer:
    """A collection as a service.

    Args:
        collection: that is explored.
        settings: of the server.

    Attributes:
        collection: that is explored.
        settings: of the server.
        metrics: of the server.
        questions: the models of requests.
    """

    def __init__(self, collection: Collection, settings: Settings) -> None:
        self.collection, self.settings = collection, dataclasses.replace(settings, open_paths=OPEN)
        self.metrics, self.questions = Metrics(), Questions(collection, settings.limits)
        self._writer, self._started = AnswerWriter(collection), time.monotonic()
        self._made: dict[tuple[str, str], tuple[int, Future[Any]]] = {}
        self._facts, self._columns = lru_cache(1)(self._counted), lru_cache(1)(lambda _: collection.columns())
        self._services = {id(index): Service(index, settings, self.metrics) for index in collection.indexes}

    def warm_up(self) -> list[str]:
        """Load the models of the indexes and make one sweep of each; an index whose model does not load takes no texts.

        Returns:
            A sentence about every index that takes no texts, one where pictures are known and none may be shown, and
            the notices of the collection.
        """
        notes = []
        for key, service in self._services.items():
            try:
                service.engine.warm_up()
            except HiergeoError as error:
                settings = dataclasses.replace(self.settings, embeds=False)
                self._services[key] = Service(service.index, settings, self.metrics)
                notes.append(f"texts and photos cannot be searched: {error}")
            else:
                if service.index.encoder.facts is None:
                    notes.append("texts and photos cannot be searched: an index does not say which model embedded it.")
        facts = self.facts()
        if facts["pictures"] is False:
            notes.append("no picture of an item may be shown: name the folder of the pictures with --images.")
        return notes + facts["notices"]

    async def answer(self, lens: Lens, request: Request) -> dict[str, Any]:
        """The answer of a lens to a request, in values of JSON.

        Raises:
            Refused: 404, the query is an item that is not there; or as `Service.ask`.
        """
        await self._check(lens, [request.query])
        (result,) = await self._service(lens).ask([request])
        return await asyncio.to_thread(self._writer.answer, lens, request, result)

    async def points(self, lens: Lens, queries: Sequence[Query]) -> Points:
        """Queries as points of the space of a lens; errors as those of `answer`."""
        await self._check(lens, queries)
        return await self._service(lens).points(queries, lens.spec)

    def items(self, ids: Tensor) -> list[dict[str, Any]]:
        """Items by their ids (n,), with their radius in every lens, None in one whose index does not hold them.

        Raises:
            Refused: 404, there is no such item.
        """
        store = self._current(self.collection.lenses[0])
        _check_items(store, ids)
        radii = {lens.key: _radii(lens, self._current(lens), ids) for lens in self.collection.lenses}
        items = self._writer.items(ids, store.labels(ids))
        return [
            item | {"radius": {key: radius[row] for key, radius in radii.items()}} for row, item in enumerate(items)
        ]

    def find(self, lens: Lens, k: int, text: str | None = None) -> list[dict[str, Any]]:
        """The k items of smallest radius and of distinct captions, with it; of those whose caption contains a text."""
        store = self._current(lens)
        ids = distinct_items(store, store.innermost if text is None else partial(store.matching, text), k)
        items = self._writer.items(ids, store.labels(ids))
        return [item | {"radius": radius} for item, radius in zip(items, _radii(lens, store, ids), strict=True)]

    def picture(self, item: int, side: int) -> bytes:
        """The picture of an item as a small JPEG file.

        Raises:
            Refused: 404, there is no such item, it has no picture that may be shown, or its file is damaged.
        """
        self._refresh()
        try:
            if self.collection.pictures is None:
                raise InputError("the collection has no pictures.")
            return self.collection.pictures.jpeg(item, side)
        except InputError as error:
            raise Refused(404, str(error), "item") from error

    async def map(self, lens: Lens) -> Map:
        """The map of a lens, which is made when it is first needed."""
        drawn: Map = await self._prepared("map", lens, partial(build_map, lens, self.collection.tiers))
        return drawn

    async def tile(self, lens: Lens, level: int, x: int, y: int, version: str | None) -> bytes:
        """The items of a tile of the map of a lens.

        Raises:
            Refused: 409, the map is of another version; 404, it has no such tile.
        """
        drawn = await self.map(lens)
        if version not in (None, drawn.version):
            raise Refused(409, "the items have changed, and the map with them: ask for /api/map again.", "version")
        try:
            return drawn.tile(level, x, y)
        except InputError as error:
            raise Refused(404, str(error), "level") from error

    async def audit(self, lens: Lens) -> dict[str, Any]:
        """What the space of a lens is like."""
        make = partial(survey_of, lens, self.collection.tiers, self.collection.hierarchy)
        return dict((await self._prepared("audit", lens, make)).as_dict())

    def facts(self) -> dict[str, Any]:
        """What the page has to know of the collection; counted anew when an index has changed."""
        self._refresh()
        return self._facts(self._generations())

    def column(self, name: str) -> dict[str, Any]:
        """The bins of all items in a column; raises Refused, 404, for an unknown one."""
        self._refresh()
        bins = self._columns(self._generations()).bins(name)
        if bins is None:
            raise Refused(404, "the collection has no such column.", "name")
        return bins

    def health(self) -> dict[str, Any]:
        """What the server says of its health."""
        self._refresh()
        return {
            "status": "ok",
            "version": __version__,
            "items": len(self.collection.first),
            "lenses": len(self.collection.lenses),
            "uptime": round(time.monotonic() - self._started, 3),
        }

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        """Run the queues of all services while the application runs, and begin the map that the page opens on."""
        async with contextlib.AsyncExitStack() as stack:
            self._workers, self._made = ThreadPoolExecutor(2, "hiergeo-explorer"), {}
            stack.callback(self._workers.shutdown, cancel_futures=True)
            for service in self._services.values():
                await stack.enter_async_context(service.lifespan(app))
            first = self.collection.lenses[0]
            self._begun("map", first, partial(build_map, first, self.collection.tiers))
            yield

    def _service(self, lens: Lens) -> Service:
        """The service of the index of a lens, whose questions share sweeps."""
        return self._services[id(lens.index)]

    def _refresh(self) -> None:
        """Take over what other processes have changed in any of the indexes."""
        for service in self._services.values():
            service.engine.refresh()

    def _current(self, lens: Lens) -> ExactStore:
        """The items of a lens as they are now, whatever changes while they are read."""
        self._service(lens).engine.refresh()
        return lens.index.store.pinned()

    async def _check(self, lens: Lens, queries: Sequence[Query]) -> None:
        """Raise Refused, 404, for an item among the queries that the index of a lens does not hold any more."""
        ids = numbers_of(query.id for query in queries if isinstance(query, Item))
        if len(ids):
            _check_items(await asyncio.to_thread(self._current, lens), ids)

    def _generations(self) -> tuple[int, ...]:
        return tuple(index.manifest.generation for index in self.collection.indexes)

    def _counted(self, generations: tuple[int, ...]) -> dict[str, Any]:
        embeds = {lens.key: self._service(lens).engine.embeds() for lens in self.collection.lenses}
        facts = collection_facts(self.collection, self.settings.limits, embeds)
        return facts | {"columns": self._columns(generations).facts()}

    async def _prepared(self, name: str, lens: Lens, make: Callable[[], Any]) -> Any:
        """What is made once of a lens as its index is now; who asks for the same waits for one of it.

        Raises:
            Refused: 503, it takes longer than a request waits; the work goes on. What fails is made again when it is
                next asked for.
        """
        await asyncio.to_thread(self._refresh)
        future = asyncio.wrap_future(self._begun(name, lens, make))
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.settings.limits.answer_seconds)
        except asyncio.TimeoutError:
            raise Refused(503, "this is being made and takes a while: ask again.", retry_after=AGAIN) from None

    def _begun(self, name: str, lens: Lens, make: Callable[[], Any]) -> "Future[Any]":
        """What is being made of a lens; begun unless it was for the same items and has not failed."""
        generation = lens.index.manifest.generation
        before, future = self._made.get((name, lens.key), (None, None))
        if future is None or before != generation or (future.done() and future.exception() is not None):
            future = self._workers.submit(make)
            self._made[name, lens.key] = generation, future
        return future


def _check_items(store: ExactStore, ids: Tensor) -> None:
    """Raise Refused, 404, for an item that a store does not hold."""
    missing = ids[~store.holds(ids)]
    if len(missing):
        raise Refused(404, f"there is no item {int(missing[0])}.", "item")


def _radii(lens: Lens, store: ExactStore, ids: Tensor) -> list[float | None]:
    """Radii of items (n,) in a lens; None where its store does not hold them."""
    held, radii = store.holds(ids), torch.full((len(ids),), torch.nan)
    radii[held] = store.fetch(ids[held]).radius(lens.space.geometry).float()
    radius: list[float | None] = plain(radii.tolist())
    return radius
