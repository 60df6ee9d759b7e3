"""What answers requests in a server: batches of questions answered from an index, and items added to it."""

import time
from collections.abc import Sequence
from threading import Lock
from typing import Any, Literal, final

import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.geometry import Points
from hiergeo.search import Index
from hiergeo.search.appending import append
from hiergeo.search.embedding import Embedder
from hiergeo.search.ids import texts_of
from hiergeo.search.layout import Manifest
from hiergeo.search.queries import Item
from hiergeo.search.requests import Request
from hiergeo.search.rows import Rows
from hiergeo.search.serving.batching import Outcome, outcomes_of
from hiergeo.search.serving.limits import LOG, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.wire import Encoded, Query
from hiergeo.search.shards import Labels
from hiergeo.search.snapshots import stamp_of
from hiergeo.search.sources import ItemBatch

AGAIN = 1.0
"""Seconds after which changes of the index that could not be read are looked at again."""

CACHED = 10_000
"""Texts whose embeddings are remembered: a page asks several questions about one."""


@final
class IndexService:
    """Answers questions from an index. Methods run on one thread, one at a time, `refresh` on any."""

    def __init__(self, index: Index, settings: Settings, metrics: Metrics) -> None:
        self.index, self._settings, self._metrics = index, settings, metrics
        self._stamp, self._retry_at = stamp_of(index.store.folder), 0.0
        self._cached: dict[Any, Tensor] = {}
        self._refreshing = Lock()
        self._note_index()

    def warm_up(self) -> None:
        """Load the model of the index, if it names one, and make one sweep; raises HiergeoError for another model."""
        if self._settings.embeds and self.index.encoder.facts is not None:
            self._embedded([""])
        if len(self.index):
            self.index.neighbours(torch.zeros(self.index.encoder.dim), 1)

    def embeds(self) -> dict[str, bool]:
        """Whether the model of the index, which has to be loaded, embeds texts, and images."""
        texts = self._settings.embeds and self.index.encoder.facts is not None
        return {"text": texts, "image": texts and self.index.encoder.model.has_images}

    def answer(self, questions: Sequence[Sequence[Request]]) -> list[Outcome]:
        """An outcome for each question; one that fails does not keep the others from their answers."""
        self.refresh()
        self._metrics.batch.observe(sum(map(len, questions)))
        return outcomes_of(self._together, questions)

    def points(self, queries: Sequence[Query], geometry: str | None) -> Points:
        """Queries as points of a geometry around the root of the index, on the thread of `answer`."""
        self.refresh()
        return self.index.points(self._embedded(queries), geometry)

    def store(self, addition: Any, embeddings: Tensor) -> dict[str, int]:
        """Add items, durably; raises HiergeoError where none was. A later sweep makes good what fails afterwards."""
        count, nothing, folder = len(embeddings), [None] * len(embeddings), self.index.store.folder
        ids = addition.ids
        labels = Labels(addition.captions or nothing, addition.images or nothing, texts_of(ids))
        before = list[Manifest]()

        def items(manifest: Manifest) -> list[tuple[Rows, Labels]]:
            before.append(manifest)
            embedder = Embedder(folder, manifest, self.index.space, lambda: self.index.encoder.model, manifest.next_id)
            return [(embedder.rows(ItemBatch(0, count, None, None, embeddings, ids))[0], labels)]

        try:
            append(folder, items)
        except InputError as error:
            if before:
                raise
            raise UnavailableError(f"the index cannot be added to: {error}") from error
        self._retry_at = 0.0
        self.refresh()
        return {"added": count, "rows": before[0].rows + count, "generation": before[0].generation + 1}

    def _together(self, questions: Sequence[Sequence[Request]]) -> list[Outcome]:
        requests = [request for question in questions for request in question]
        with self._metrics.embedding.time():
            embedded = self._embedded([request.query for request in requests])
        store = self._settings.store
        updates = ({"query": query, "store": store} for query in embedded)
        requests = [request.model_copy(update=update) for request, update in zip(requests, updates, strict=True)]
        with self._metrics.sweep.time():
            results = self.index.search(requests)
        answers = iter(results)
        return [[next(answers) for _ in question] for question in questions]

    def _embedded(self, queries: Sequence[Query]) -> list[Tensor | Item]:
        """Embeddings (D,) in place of texts and pictures; those of the last texts are cached."""
        texts = dict.fromkeys(query for query in queries if isinstance(query, str))
        new = [text for text in texts if text not in self._cached]
        pictures = [query.image for query in queries if isinstance(query, Encoded)]
        if new:
            self._cached.update(zip(new, self.encode("texts", new), strict=True))
        shown = iter(self.encode("images", pictures) if pictures else ())
        cached = self._cached
        rows: list[Any] = [next(shown) if isinstance(query, Encoded) else cached.get(query, query) for query in queries]
        while len(cached) > CACHED:
            del cached[next(iter(cached))]
        return rows

    def encode(self, what: Literal["texts", "images"], items: list[Any]) -> Tensor:
        """Embeddings (N, D) of texts or images; raises InputError where the server takes none."""
        if not self._settings.embeds:
            raise InputError(f"this server embeds no {what}: search with embeddings.")
        model = self.index.encoder.model
        if what == "images" and not model.has_images:
            raise InputError(f"{model.name} embeds no images: search with texts or embeddings.")
        rows = model.encode_text(items) if what == "texts" else model.encode_image(items, batch_size=1)
        return rows.to("cpu", torch.float32)

    def refresh(self) -> None:
        """Go on to the current generation, which costs a look at one file; one that cannot be read is tried again."""
        with self._refreshing:
            stamp = stamp_of(self.index.store.folder)
            if stamp == self._stamp or time.monotonic() < self._retry_at:
                return
            try:
                self.index.store.refresh()
            except (HiergeoError, OSError) as error:
                self._retry_at = time.monotonic() + AGAIN
                self._metrics.refreshes.labels("failed").inc()
                LOG.error("the index changed and cannot be read (%s): the one before is served on.", error)
                return
            self._stamp = stamp
            self._note_index()
            self._metrics.refreshes.labels("done").inc()

    def _note_index(self) -> None:
        self._metrics.rows.set(len(self.index))
        self._metrics.generation.set(self.index.manifest.generation)
