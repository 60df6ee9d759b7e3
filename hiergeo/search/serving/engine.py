"""What answers requests in a server: batches of questions answered from an index, and items added to it."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, Literal, cast, final

import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError, UnavailableError
from hiergeo.geometry import Points, Space
from hiergeo.search import Index
from hiergeo.search.appending import append
from hiergeo.search.embedding import Embedder
from hiergeo.search.groups import Result
from hiergeo.search.layout import MANIFEST, Manifest
from hiergeo.search.queries import Item
from hiergeo.search.requests import Request
from hiergeo.search.rows import Rows
from hiergeo.search.serving.batching import Outcome
from hiergeo.search.serving.limits import LOG, Settings, refusal_of
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.wire import Addition, Encoded, Query
from hiergeo.search.shards import Labels
from hiergeo.search.sources import ItemBatch

AGAIN = 1.0
"""Seconds after which changes of the index that could not be read are looked at again."""

SLICE = 32
"""Captions of an addition that are embedded before queries get their turn."""


@final
class IndexService:
    """Answers questions from an index. `answer` and `store` run on one thread, one at a time; `refresh` on any."""

    def __init__(self, index: Index, settings: Settings, metrics: Metrics) -> None:
        self.index, self._settings, self._metrics = index, settings, metrics
        self._manifest = index.store.folder / MANIFEST
        self._seen = self._signature()
        self._later = 0.0
        self._known: OrderedDict[str, Tensor] = OrderedDict()
        self._model, self._taking = Lock(), Lock()
        self.space: Callable[[Space | str | None], Space] = lru_cache(64)(index.chosen)
        self._note_index()

    def warm_up(self) -> None:
        """Load the model of the index, if it names one, and make one sweep; raises HiergeoError for another model."""
        if self._settings.embeds and self.index.encoder.facts is not None:
            self._embedded([""])
        if len(self.index):
            self.index.neighbours(torch.zeros(self.index.encoder.dim), 1)

    @property
    def generation(self) -> int | None:
        """The generation that answers are from; None if the index has changed since."""
        return self.index.manifest.generation if self._signature() == self._seen else None

    def embeds(self) -> dict[str, bool]:
        """Whether the model of the index, which has to be loaded, embeds texts, and images."""
        texts = self._settings.embeds and self.index.encoder.facts is not None
        return {"text": texts, "image": texts and self.index.encoder.model.has_images}

    def answer(self, questions: Sequence[Sequence[Request]]) -> list[Outcome]:
        """An outcome for each question; one that fails does not keep the others from their answers."""
        self.refresh()
        self._metrics.batch.observe(sum(map(len, questions)))
        try:
            return self._together(questions)
        except Exception as error:  # whatever a question dies of, the others are asked without it
            if len(questions) == 1:
                return [error if isinstance(error, HiergeoError) else refusal_of(error)]
        half = len(questions) // 2
        return [*self.answer(questions[:half]), *self.answer(questions[half:])]

    def points(self, queries: Sequence[Query], geometry: str | None) -> Points:
        """Queries as points of a geometry around the root of the index, on the thread of `answer`."""
        self.refresh()
        return self.index.points(self._embedded(queries), self.space(geometry))

    def embed(self, addition: Addition) -> Tensor:
        """The embeddings (N, D) of an addition; runs beside `answer`, which gets the model between two slices."""
        if addition.embeddings is not None:
            return addition.embeddings
        captions = cast(list[str], addition.captions)
        slices = [captions[start : start + SLICE] for start in range(0, len(captions), SLICE)]
        return torch.cat([self._encode("texts", each) for each in slices])

    def store(self, addition: Addition, embeddings: Tensor) -> dict[str, int]:
        """Add items; when it returns they are durable and the next sweep finds them.

        Raises:
            HiergeoError: nothing was added. What fails afterwards is logged, and made good by a later sweep.
        """
        count, nothing = len(embeddings), [None] * len(embeddings)
        labels = Labels(addition.captions or nothing, addition.images or nothing)
        batch = ItemBatch(0, count, None, None, embeddings, addition.ids)
        index, before = self.index, list[Manifest]()

        def items(manifest: Manifest) -> list[tuple[Rows, Labels]]:
            before.append(manifest)
            embedder = Embedder(
                index.store.folder, manifest, index.space, lambda: index.encoder.model, manifest.next_id
            )
            return [(embedder.rows(batch)[0], labels)]

        try:
            append(index.store.folder, items)
        except InputError as error:
            if before:
                raise
            raise UnavailableError(f"the index cannot be added to: {error}") from error
        self._metrics.added.inc(count)
        self._later = 0.0
        self.refresh(own=True)
        return {"added": count, "rows": before[0].rows + count, "generation": before[0].generation + 1}

    def _together(self, questions: Sequence[Sequence[Request]]) -> list[Outcome]:
        with self._metrics.embedding.time():
            asked = [request for question in questions for request in question]
            requests = [
                request.model_copy(
                    update={"query": embedded, "space": self.space(request.space), "store": self._settings.store}
                )
                for request, embedded in zip(asked, self._embedded([each.query for each in asked]), strict=True)
            ]
        with self._metrics.sweep.time():
            found = self._swept(requests)
        self._metrics.scored.inc(max(getattr(each, "scored", len(self.index)) for each in found))
        answers = iter(found)
        return [[next(answers) for _ in question] for question in questions]

    def _swept(self, requests: Sequence[Request]) -> list[Result]:
        """One sweep; once more where a compaction removed shards that a reader on a read-only disk cannot hold."""
        try:
            return self.index.search(requests)
        except (OSError, UnavailableError):
            if not self.refresh():
                raise
            return self.index.search(requests)

    def _embedded(self, queries: Sequence[Query]) -> list[Tensor | Item]:
        """Embeddings (D,) in place of texts and pictures, of texts the known ones as they are."""
        texts = list(dict.fromkeys(query for query in queries if isinstance(query, str)))
        known = {text: self._known[text] for text in texts if text in self._known}
        new = [text for text in texts if text not in known]
        pictures = [query.image for query in queries if isinstance(query, Encoded)]
        if new:
            known |= dict(zip(new, self._encode("texts", new), strict=True))
        seen = iter(self._encode("images", pictures)) if pictures else iter(())
        self._metrics.cached.inc(len(texts) - len(new))
        self._metrics.embedded.inc(len(new) + len(pictures))
        for text in texts:
            self._known[text] = known[text]
            self._known.move_to_end(text)
        while len(self._known) > self._settings.cached_texts:
            self._known.popitem(last=False)
        return [
            query if isinstance(query, Tensor | Item) else known[query] if isinstance(query, str) else next(seen)
            for query in queries
        ]

    def _encode(self, what: Literal["texts", "images"], items: list[Any]) -> Tensor:
        if not self._settings.embeds:
            raise InputError(f"this server embeds no {what}: search with embeddings.")
        with self._model:
            model = self.index.encoder.model
            if what == "images" and not model.has_images:
                raise InputError(f"{model.name} embeds no images: search with texts or embeddings.")
            rows = model.encode_text(items) if what == "texts" else model.encode_image(items, batch_size=1)
            return rows.to("cpu", torch.float32)

    def refresh(self, own: bool = False) -> bool:
        """Go on to the current generation; whether it was another one. Costs a look at one file.

        Where it cannot be read the index before is served on. Metrics do not count a change that is this server's own.
        """
        with self._taking:
            now = self._signature()
            if now == self._seen or time.monotonic() < self._later:
                return False
            try:
                self.index.store.refresh()
            except (HiergeoError, OSError) as error:
                self._later = time.monotonic() + AGAIN
                self._metrics.refreshes.labels("failed").inc()
                LOG.error("the index changed and cannot be read (%s): the one before is served on.", error)
                return False
            self._seen = now
            self._note_index()
        if not own:
            self._metrics.refreshes.labels("done").inc()
        return True

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._manifest)
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _note_index(self) -> None:
        self._metrics.rows.set(len(self.index))
        self._metrics.generation.set(self.index.manifest.generation)
