"""Requests that are answered by one task of a sweep, and their answers."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.geometry import PairLaw, Points, Space
from hiergeo.geometry.space import By, Side
from hiergeo.search import candidates
from hiergeo.search.answers import Answer, Climb, Guarantee, Hit, Rung
from hiergeo.search.background import Backgrounds
from hiergeo.search.ids import numbers_of
from hiergeo.search.layout import DTYPES
from hiergeo.search.pushing import Engines
from hiergeo.search.queries import Item, Query
from hiergeo.search.requests import Request
from hiergeo.search.rows import Rows
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Best, Count, Matches, RadiusRange, Steps

Result = Answer | Climb | int
"""What one request gives: an answer, of a ladder a climb, of a count a number."""


def query_rows(queries: Sequence[Query], embedded: Tensor, space: Space, store: ExactStore) -> Rows:
    """Queries as the store holds rows: embeddings (Q, D) rounded alike, items as they are stored; raises InputError."""
    rows = Rows.of(torch.arange(len(embedded)), embedded, space, DTYPES[store.manifest.dtype])
    items = {row: query.id for row, query in enumerate(queries) if isinstance(query, Item)}
    if items:
        at, numbers = list(items), numbers_of(items.values())
        for absent in (item for item, held in zip(items.values(), store.holds(numbers), strict=True) if not held):
            raise InputError(f"the index holds no item {absent}.")
        stored = store.fetch(numbers)
        rows.direction[at], rows.radii[at] = stored.direction, stored.radii
    return rows


@final
class RequestGroup:
    """Requests that differ in their queries and k alone, as one task."""

    def __init__(
        self,
        requests: list[Request],
        embedded: Tensor,
        space: Space,
        store: ExactStore,
        engines: Engines,
        backgrounds: Backgrounds,
        device: torch.device,
    ) -> None:
        first, self._backgrounds = requests[0], backgrounds
        self.requests, self.first, self.space, self.store, self.device = requests, first, space, store, device
        self.x = query_rows([request.query for request in requests], embedded, space, store).points(
            space.geometry, device
        )
        self.task = self._task(first, RadiusRange(first.low, first.high))
        _check_law(first, space)
        self.engine = None if first.store is None or first.kind == "count" else engines.checked(first.store)
        self.scored = 0
        self.guarantee: Guarantee = "exact"

    def ask_store(self) -> None:
        """Search through the store that the requests name, if they name one."""
        if self.engine is None or not isinstance(self.task, Best | Steps):
            return
        self.scored = candidates.search(self.task, self.store, self.engine, self.device)
        self.guarantee = "approximate"

    def _task(self, first: Request, span: RadiusRange) -> Best | Steps | Count:
        without = torch.cat([self.store.captioned(first.without), numbers_of(first.exclude)])
        if first.kind == "ladder":
            return Steps(self.space, self.x, self._thresholds(first.thresholds), span, without)
        if first.kind == "count":
            within = None if first.within is None else torch.tensor([request.within for request in self.requests])
            return Count(self.space, self.x, first.min_radius, span, within, without)
        by: By = "distance" if first.kind == "neighbours" else first.by
        k = max(request.k for request in self.requests)
        side: Side = "parents" if first.kind == "parents" else "children"
        return Best(self.space, self.x, k, by, side, first.min_radius, span, without)

    def _thresholds(self, thresholds: int | Tensor) -> Tensor:
        if isinstance(thresholds, Tensor):
            return thresholds.detach().double()
        shells = [shell for shell in self.store.describe().shells if shell.count]
        ends = min(shell.low for shell in shells), max(shell.high for shell in shells)
        return torch.linspace(*ends, thresholds, dtype=torch.float64)

    def results(self) -> list[Result]:
        """The answers, after the items were scored."""
        if isinstance(self.task, Count):
            return list(map(int, self.task.total))
        total = self.store.manifest.rows
        results: list[Result] = []
        queries = zip(self.requests, self._hits(self.task.matches), self.x.radius.tolist(), strict=True)
        for request, hits, radius in queries:
            facts = self.guarantee, self.scored, total, radius
            if isinstance(self.task, Steps):
                results.append(Climb(tuple(map(Rung, self.task.thresholds.tolist(), hits)), *facts))
            else:
                assert isinstance(self.task, Best)
                filled = tuple(hit for hit in hits[: request.k] if hit is not None)
                results.append(Answer(filled, *facts, by=self.task.by))
        return results

    def _hits(self, best: Matches | None) -> list[list[Hit | None]]:
        """Hits (Q, k) of the best items."""
        if best is None or not bool((best.ids >= 0).any()):
            width = 0 if best is None else best.ids.shape[1]
            if isinstance(self.task, Steps):
                width = len(self.task.thresholds)
            return [[None] * width for _ in self.requests]
        ids = best.ids[best.ids >= 0].unique()
        rows, labels = self.store.fetch(ids), self.store.labels(ids)
        called = labels.ids(ids.tolist())
        row = torch.searchsorted(ids, best.ids.clamp_min(int(ids[0])))
        pairs = torch.arange(len(row)).unsqueeze(1) * len(ids) + row
        apart, which = pairs.unique(return_inverse=True)  # the rungs of a ladder repeat their items
        at, queries = apart % len(ids), (apart // len(ids)).to(self.device)
        y = rows.take(at).points(self.space.geometry, self.device)
        radius, margin, angle, distance = (column.tolist() for column in self._numbers(queries, y))
        usual = self._backgrounds.of(self.store, self.space, self.first.min_radius)
        numbers = zip(radius, margin, angle, distance, *usual.verdicts(margin, distance), strict=True)
        hits = [
            Hit(called[row], labels.captions[row], labels.images[row], *values)
            for row, values in zip(at.tolist(), numbers, strict=True)
        ]
        return [
            [hits[number] if item >= 0 else None for item, number in zip(*pair, strict=True)]
            for pair in zip(best.ids.tolist(), which.tolist(), strict=True)
        ]

    def _numbers(self, queries: Tensor, y: Points) -> tuple[Tensor, ...]:
        """Radius, margin, angle and distance of pairs, row by row; NaN for what the geometry does not define."""
        space, min_radius = self.space, self.first.min_radius
        x = self.x.rows(queries)
        apex, other = (y, x) if self.first.kind in ("parents", "ladder") else (x, y)
        measures = {
            "margin": lambda: space.margin(apex, other, min_radius),
            "angle": lambda: space.exterior_angle(apex, other),
            "distance": lambda: space.distance(apex, other),
        }
        nothing, has = torch.full_like(y.radius, torch.nan), space.geometry.measures
        return y.radius, *(measure() if name in has else nothing for name, measure in measures.items())


def _check_law(request: Request, space: Space) -> None:
    """Raise InputError where an index cannot answer a request in a law of pairs."""
    law, whole = space.geometry, RadiusRange(request.low, request.high).whole
    if not isinstance(law, PairLaw):
        return
    if request.store is not None:
        raise InputError(f"{law.spec} has no angles, by which stores find candidates: scan the index.")
    if not law.radial and (request.kind == "ladder" or not whole):
        raise InputError(f"{law.spec} has radii of its own, by which no index is sorted: ask for no ladder or range.")
