"""The front door of search: an index that answers questions about what entails what."""

from collections.abc import Sequence
from typing import Any, cast, final

import torch
from torch import Tensor

from hiergeo._devices import resolve_device
from hiergeo.adapters import Model
from hiergeo.errors import InputError
from hiergeo.geometry import Points, Space
from hiergeo.geometry.space import By, Side
from hiergeo.search import layout
from hiergeo.search.answers import Answer, Climb, Hit, Rung
from hiergeo.search.editing import Editable
from hiergeo.search.layout import Manifest
from hiergeo.search.queries import Encoder, Query
from hiergeo.search.requests import Kind, Request
from hiergeo.search.rows import Rows
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Best, Count, Found, Range, Steps, Within, run

Questions = Query | Sequence[Query] | Tensor
"""One query, or several: a list of queries, or embeddings (Q, D)."""

Result = Answer | Climb | int
"""What one request gives: an answer, of a ladder a climb, of a count a number."""


@final
class Index(Editable):
    """An index of embeddings in an entailment hierarchy.

    Methods take one query and give one answer, or several (a list, or a tensor (Q, D)) and give a list of answers from
    one pass over the index. A query is a text, an image (a path or a picture), or an embedding; its direction is
    rounded to the dtype of the index before it is compared, as those of stored items were.

    Args:
        store: where the items are.
        model: the model of the index, if it is loaded already.
        device: where the model is loaded otherwise.
        compute: where rows are compared; rows are moved there a chunk at a time.
    """

    def __init__(
        self, store: ExactStore, model: Model | None = None, device: str = "auto", compute: str = "cpu"
    ) -> None:
        self.store = store
        self.space = layout.space_of(store.folder, store.manifest)
        self.encoder = Encoder(self.manifest.model, self.manifest.frame.dim, model, device)
        self.device = resolve_device(compute)

    @property
    def manifest(self) -> Manifest:
        """Of the generation that is searched."""
        return self.store.manifest

    def __len__(self) -> int:
        """How many items it holds."""
        return self.store.manifest.rows

    def children(
        self,
        query: Questions,
        k: int = 10,
        *,
        by: By = "margin",
        space: Space | str | None = None,
        min_radius: float | None = None,
        low: float = 0.0,
        high: float = float("inf"),
    ) -> Answer | list[Answer]:
        """The k items that the query entails most.

        Args:
            query: one or several.
            k: 1 <= k <= 1024; fewer hits where the index holds fewer.
            by: "margin", largest first; "angle" or "distance", smallest first.
            space: another space of the frame of the index, or the spec of a geometry around its root; None is the space
                of the index.
            min_radius: scale of the cones; None is that of the space.
            low: items of a smaller radius are left out, geodesic units.
            high: items of a larger radius are left out.

        Raises:
            InputError: an empty index, a query that it cannot take, an argument out of range.
        """
        shared = {"k": k, "by": by, "space": space, "min_radius": min_radius, "low": low, "high": high}
        return cast(Answer | list[Answer], self._asked("children", query, shared))

    def parents(
        self,
        query: Questions,
        k: int = 10,
        *,
        by: By = "margin",
        space: Space | str | None = None,
        min_radius: float | None = None,
        low: float = 0.0,
        high: float = float("inf"),
    ) -> Answer | list[Answer]:
        """The k items that entail the query most; arguments as for `children`."""
        shared = {"k": k, "by": by, "space": space, "min_radius": min_radius, "low": low, "high": high}
        return cast(Answer | list[Answer], self._asked("parents", query, shared))

    def neighbours(
        self,
        query: Questions,
        k: int = 10,
        *,
        space: Space | str | None = None,
        low: float = 0.0,
        high: float = float("inf"),
    ) -> Answer | list[Answer]:
        """The k nearest items by geodesic distance; arguments as for `children`."""
        shared = {"k": k, "space": space, "low": low, "high": high}
        return cast(Answer | list[Answer], self._asked("neighbours", query, shared))

    def ladder(
        self, query: Questions, thresholds: int | Tensor = 50, *, space: Space | str | None = None
    ) -> Climb | list[Climb]:
        """From general to specific: for each threshold the nearest item whose radius is within it.

        Args:
            query: one or several.
            thresholds: (T,) ascending, geodesic units; or how many, spread evenly from the smallest to the largest
                radius of the index.
            space: as for `children`.
        """
        return cast(Climb | list[Climb], self._asked("ladder", query, {"thresholds": thresholds, "space": space}))

    def count(
        self,
        query: Questions,
        *,
        within: float | None = None,
        space: Space | str | None = None,
        min_radius: float | None = None,
    ) -> int | list[int]:
        """How many items the query entails: those within its cone, or within a geodesic distance.

        Args:
            query: one or several.
            within: count the items within this geodesic distance instead.
            space: as for `children`.
            min_radius: as for `children`.
        """
        shared = {"within": within, "space": space, "min_radius": min_radius}
        return cast(int | list[int], self._asked("count", query, shared))

    def search(self, requests: Sequence[Request]) -> list[Result]:
        """Answer requests of any kinds in one pass over the index; the answers are in their order.

        Raises:
            InputError: an empty index, or a query or a space that it cannot take; nothing is searched.
        """
        if not requests:
            return []
        if not len(self):
            raise InputError("the index is empty: add items before searching.")
        embedded = self.encoder.encode([request.query for request in requests])
        groups: dict[Any, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(request.group, []).append(place)
        asked = [_Group([requests[i] for i in places], self, embedded[places]) for places in groups.values()]
        low, high = min(each.low for each in requests), max(each.high for each in requests)
        scored = run(self.store.stream(low, high), [group.task for group in asked], self.device)
        results: list[Result] = [0] * len(requests)
        for group, places, rows in zip(asked, groups.values(), scored, strict=True):
            for place, result in zip(places, group.results(rows), strict=True):
                results[place] = result
        return results

    def chosen(self, space: Space | str | None) -> Space:
        """The space that a request names.

        Raises:
            InputError: it is not of the frame of the index.
        """
        if space is None:
            return self.space
        if isinstance(space, str):
            root = False if self.space.root is None else self.space.root
            space = Space(space, root, min_radius=self.space.min_radius)
        elif space.root is None and space.centre == "model" and self.space.root is not None:
            space = space.rooted(self.space.root)
        self.manifest.frame.check(space)
        return space

    def _asked(self, kind: Kind, query: Questions, shared: dict[str, Any]) -> object:
        several = query.ndim == 2 if isinstance(query, Tensor) else isinstance(query, list | tuple)
        queries = cast(Sequence[Query], query if several else [query])
        if not len(queries):
            raise InputError("there is no query: give at least one.")
        results = self.search([Request(kind, each, **shared) for each in queries])
        return results if several else results[0]


@final
class _Group:
    """Requests that differ in their queries and k alone, as one task.

    Args:
        requests: of one group.
        index: that they ask.
        embedded: their queries (Q, D).
    """

    def __init__(self, requests: list[Request], index: Index, embedded: Tensor) -> None:
        first = requests[0]
        self.requests, self.index, self.first = requests, index, first
        self.space = index.chosen(first.space)
        dtype = layout.DTYPES[index.manifest.dtype]
        stored = Rows.of(torch.arange(len(embedded)), embedded, self.space, dtype)
        self.x = stored.points(self.space.geometry, index.device)
        self.task = self._task(first, Range(first.low, first.high))

    def _task(self, first: Request, span: Range) -> Best | Steps | Count | Within:
        if first.kind == "ladder":
            return Steps(self.space, self.x, self._thresholds(first.thresholds), span)
        if first.kind == "count":
            if first.within is not None:
                return Within(self.space, self.x, torch.tensor([each.within for each in self.requests]), span)
            return Count(self.space, self.x, first.min_radius, span)
        by: By = "distance" if first.kind == "neighbours" else first.by
        k = max(request.k for request in self.requests)
        side: Side = "parents" if first.kind == "parents" else "children"
        return Best(self.space, self.x, k, by, side, first.min_radius, span)

    def _thresholds(self, thresholds: int | Tensor) -> Tensor:
        if isinstance(thresholds, Tensor):
            return thresholds.detach().double()
        shells = [shell for shell in self.index.store.describe().shells if shell.count]
        ends = min(shell.low for shell in shells), max(shell.high for shell in shells)
        return torch.linspace(*ends, thresholds, dtype=torch.float64)

    def results(self, scored: int) -> list[Result]:
        """The answers, after a pass that scored so many items."""
        if isinstance(self.task, Count | Within):
            return list(map(int, self.task.total))
        radius, total = self.x.radius.tolist(), len(self.index)
        hits = self._hits(self.task.found)
        if isinstance(self.task, Steps):
            levels = self.task.thresholds.tolist()
            return [
                Climb(tuple(map(Rung, levels, each)), "exact", scored, total, radius[i]) for i, each in enumerate(hits)
            ]
        return [
            Answer(tuple(hit for hit in each[: request.k] if hit is not None), "exact", scored, total, radius[i])
            for i, (request, each) in enumerate(zip(self.requests, hits, strict=True))
        ]

    def _hits(self, found: Found | None) -> list[list[Hit | None]]:
        """Hits (Q, k) of the items that were found."""
        if found is None or not bool((found.ids >= 0).any()):
            width = 0 if found is None else found.ids.shape[1]
            if isinstance(self.task, Steps):
                width = len(self.task.thresholds)
            return [[None] * width for _ in self.requests]
        known = found.ids[found.ids >= 0].unique()
        rows, labels = self.index.store.fetch(known), self.index.store.labels(known)
        place = torch.searchsorted(known, found.ids.clamp_min(int(known[0])))
        q, k = place.shape
        y = rows.take(place.flatten()).points(self.space.geometry, self.index.device)
        x = self.x.rows(torch.arange(q, device=self.index.device).repeat_interleave(k))
        numbers = [each.reshape(q, k).tolist() for each in self._numbers(x, y)]
        return [
            [
                Hit(item, labels.captions[at], labels.images[at], *each) if item >= 0 else None
                for item, at, *each in zip(*columns, strict=True)
            ]
            for columns in zip(found.ids.tolist(), place.tolist(), *numbers, strict=True)
        ]

    def _numbers(self, x: Points, y: Points) -> tuple[Tensor, ...]:
        """Radius, margin, angle and distance of pairs, row by row."""
        apex, other = (y, x) if self.first.kind == "parents" else (x, y)
        space, min_radius = self.space, self.first.min_radius
        return y.radius, space.margin(apex, other, min_radius), space.exterior_angle(apex, other), space.distance(x, y)
