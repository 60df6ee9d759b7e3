"""A collection as a service: what its routes share, above one service of search for each index."""

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.records import plain
from hiergeo._core.version import __version__
from hiergeo.evaluation.auditing.survey import Survey
from hiergeo.geometry import Points
from hiergeo.report.explorer.answer_writer import AnswerWriter, equal_ladders
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.facts import collection_facts
from hiergeo.report.explorer.mapping import Map, build_map
from hiergeo.report.explorer.moved import Moved, compare
from hiergeo.report.explorer.pages import OPEN
from hiergeo.report.explorer.questions import Asked, Questions
from hiergeo.report.explorer.survey import survey_of
from hiergeo.search import Item
from hiergeo.search.distinct import distinct_items
from hiergeo.search.serving import Service, Settings
from hiergeo.search.serving.limits import Refused
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.wire import Query
from hiergeo.search.stores.exact import ExactStore

KEPT = 24
"""Things that are kept; that which was asked for least recently goes first."""

AGAIN = 2
"""Seconds after which a client that could not wait longer asks again."""


@final
class Prepared:
    """Maps, audits or comparisons by what they depend on. Those who ask for the same thing wait for one of it.

    Args:
        patience: seconds that a request waits; the work goes on.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._futures: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, "hiergeo-explorer")

    async def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The thing of a key, which is made if it is not there.

        Args:
            key: says all that the thing depends on.
            make: makes it; an error is that of all who wait, and the next one who asks tries again.

        Raises:
            Refused: 503, it takes longer than a request waits.
        """
        future = self._futures.get(key)
        if future is None or (future.done() and future.exception() is not None):
            future = self._futures[key] = self._worker.submit(make)
        self._futures.move_to_end(key)
        if len(self._futures) > KEPT:
            self._futures.popitem(last=False)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), self._patience)
        except asyncio.TimeoutError:
            raise Refused(503, "this is being made and takes a while: ask again.", retry_after=AGAIN) from None

    def close(self) -> None:
        """Let the work in progress end, and begin no other."""
        self._worker.shutdown(wait=True, cancel_futures=True)


SELECTED = 10_000
"""Items of a selection that are listed."""


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
        questions: what can be asked.
        answers: how answers are written.
    """

    def __init__(self, collection: Collection, settings: Settings) -> None:
        self.collection, self.settings = collection, dataclasses.replace(settings, open_paths=OPEN)
        self.metrics = Metrics()
        self.questions, self.answers = Questions(collection, settings.limits), AnswerWriter(collection)
        self.started = time.monotonic()
        self._maps: Prepared | None = None
        self._others: Prepared | None = None
        self._facts: tuple[object, dict[str, Any]] | None = None
        self._counting = threading.Lock()
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
        facts = self.described()
        if facts["pictures"] is False:
            notes.append("no picture of an item may be shown: name the folder of the pictures with --images.")
        return notes + facts["notices"]

    def service(self, lens: Lens) -> Service:
        """The service of the index of a lens, whose questions share sweeps."""
        return self._services[id(lens.index)]

    def refresh(self) -> None:
        """Take over what other processes have changed in any of the indexes."""
        for service in self._services.values():
            service.engine.refresh()

    async def ask(self, asked: Asked) -> list[dict[str, Any]]:
        """The answers to a question, in values of JSON.

        Raises:
            Refused: 404, it asks about an item that is not there; or as `Service.ask`.
        """
        lens, requests = asked
        await self.check_items(lens, [request.query for request in requests])
        results = await self.service(lens).ask(requests)
        pairs = zip(requests, results, strict=True)
        return await asyncio.to_thread(
            lambda: [self.answers.answer(lens, request.kind, request.query, result) for request, result in pairs]
        )

    async def ladders(self, asked: Sequence[Asked]) -> dict[str, Any]:
        """The ladders of one query through several lenses, and which of them are equal.

        A lens that cannot answer has an error in place of its ladder; raises the error of the first if none can.
        """
        ladders: dict[str, dict[str, Any]] = {}
        given = await asyncio.gather(*map(self.ask, asked), return_exceptions=True)
        failed = [each for each in given if isinstance(each, BaseException)]
        for (lens, _), each in zip(asked, given, strict=True):
            if isinstance(each, list):
                (ladders[lens.key],) = each
            elif len(failed) == len(asked) or not isinstance(each, HiergeoError):
                raise each
            else:
                ladders[lens.key] = {"error": str(each), "field": getattr(each, "field", None)}
        return {"ladders": ladders, "equal": equal_ladders(ladders)}

    async def points(self, lens: Lens, queries: Sequence[Query]) -> Points:
        """Queries as points of the space of a lens; errors as those of `ask`."""
        await self.check_items(lens, queries)
        return await self.service(lens).points(queries, lens.spec)

    async def check_items(self, lens: Lens, queries: Sequence[Query]) -> None:
        """Raise Refused, 404, for an item among the queries that the index of a lens does not hold any more."""
        ids = torch.tensor([query.id for query in queries if isinstance(query, Item)], dtype=torch.int64)
        if not len(ids):
            return
        await asyncio.to_thread(self.service(lens).engine.refresh)
        missing = ids[~lens.index.store.holds(ids)]
        if len(missing):
            raise Refused(404, f"there is no item {int(missing[0])}.", "item")

    def items(self, ids: Tensor) -> list[dict[str, Any]]:
        """Items by their ids (n,), with their radius in every lens, None in one whose index does not hold them.

        Raises:
            Refused: 404, no index holds one of them.
        """
        self.refresh()
        stores = {id(index): index.store.pinned() for index in self.collection.indexes}
        by_id: dict[str, dict[str, Any]] = {}
        for lens in self.collection.lenses:
            store = stores[id(lens.index)]
            for item in self.through(lens, store, ids[store.holds(ids)]):
                none = dict.fromkeys(each.key for each in self.collection.lenses)
                by_id.setdefault(item["id"], item | {"radius": none})["radius"][lens.key] = item["radius"]
        wanted = list(map(str, ids.tolist()))
        missing = [item for item in wanted if item not in by_id]
        if missing:
            raise Refused(404, f"there is no item {missing[0]}.", "item")
        return [by_id[item] for item in wanted]

    def roots(self, lens: Lens, k: int) -> list[dict[str, Any]]:
        """The k items of smallest radius and of distinct captions."""
        store = self.current(lens)
        return self.through(lens, store, distinct_items(store, store.innermost, k))

    def find(self, text: str, k: int) -> list[dict[str, Any]]:
        """The k items of smallest radius and of distinct captions that contain a text."""
        lens = self.collection.lenses[0]
        store = self.current(lens)
        return self.through(lens, store, distinct_items(store, partial(store.matching, text), k))

    def current(self, lens: Lens) -> ExactStore:
        """The items of a lens as they are now, whatever changes while they are read."""
        self.service(lens).engine.refresh()
        return lens.index.store.pinned()

    def through(self, lens: Lens, store: ExactStore, ids: Tensor) -> list[dict[str, Any]]:
        """Items of a store by their ids (n,), with their radius in a lens."""
        radii = store.fetch(ids).radius(lens.space.geometry).tolist()
        items = self.answers.items(ids.numpy(), store.labels(ids))
        return [item | {"radius": plain(radius)} for item, radius in zip(items, radii, strict=True)]

    def picture(self, item: int, side: int) -> bytes:
        """The picture of an item as a small JPEG file.

        Raises:
            Refused: 404, there is no such item, it has no picture that may be shown, or its file is damaged.
        """
        self.refresh()
        try:
            if self.collection.pictures is None:
                raise InputError("the collection has no pictures.")
            return self.collection.pictures.jpeg(item, side)
        except InputError as error:
            raise Refused(404, str(error), "item") from error

    async def map(self, lens: Lens) -> Map:
        """The map of a lens, which is made when it is first asked for."""
        make = partial(build_map, lens, self.collection.tiers)
        drawn: Map = await self._once(self._maps, await self._seen(lens), make)
        return drawn

    async def moved(self, a: Lens, b: Lens, k: int, count: int) -> dict[str, Any]:
        """What moved between two lenses."""
        make = partial(compare, a, b, k, self.collection.tiers)
        moved: Moved = await self._once(self._others, ("moved", *await self._seen(a, b), k), make)
        return moved.as_dict(count)

    async def audit(self, lens: Lens) -> dict[str, Any]:
        """What the space of a lens is like."""
        make = partial(survey_of, lens, self.collection.tiers, self.collection.hierarchy)
        survey: Survey = await self._once(self._others, ("audit", *await self._seen(lens)), make)
        return survey.as_dict()

    def selected(self, drawn: Map, lens: Lens, polygon: NDArray[np.float64]) -> dict[str, Any]:
        """How many items lie within a polygon on the map of a lens, and those of smallest radius."""
        store, ids = self.current(lens), torch.from_numpy(drawn.select(polygon))
        ids = ids[store.holds(ids)]
        return {"count": len(ids), "items": self.through(lens, store, ids[:SELECTED])}

    def described(self) -> dict[str, Any]:
        """What the page has to know of the collection; counted anew when an index has changed."""
        self.refresh()
        now = tuple(index.manifest.generation for index in self.collection.indexes)
        with self._counting:
            if self._facts is None or self._facts[0] != now:
                embeds = {lens.key: self.service(lens).engine.embeds() for lens in self.collection.lenses}
                self._facts = now, collection_facts(self.collection, self.settings.limits, embeds, self.answers)
            return self._facts[1]

    def health(self) -> dict[str, Any]:
        """What the server says of its health."""
        self.refresh()
        return {
            "status": "ok",
            "version": __version__,
            "items": len(self.collection.first),
            "lenses": len(self.collection.lenses),
            "uptime": round(time.monotonic() - self.started, 3),
        }

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        """Run the queues of all services while the application runs."""
        async with contextlib.AsyncExitStack() as stack:
            self._maps, self._others = (Prepared(self.settings.limits.answer_seconds) for _ in range(2))
            stack.callback(self._maps.close)
            stack.callback(self._others.close)
            for service in self._services.values():
                await stack.enter_async_context(service.lifespan(app))
            yield

    async def _once(self, prepared: Prepared | None, key: Hashable, make: Callable[[], Any]) -> Any:
        if prepared is None:
            raise Refused(503, "the lifespan of the application has not begun.")
        return await prepared.get(key, make)

    async def _seen(self, *lenses: Lens) -> tuple[tuple[str, int], ...]:
        """Lenses and the generations of their indexes as they are now, on which all depends that is made of them."""
        await asyncio.to_thread(self.refresh)
        return tuple((lens.key, lens.index.manifest.generation) for lens in lenses)
