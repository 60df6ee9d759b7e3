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
from hiergeo.search import certified, layout
from hiergeo.search.answers import Answer, Climb, Guarantee, Hit, Recall, Rung
from hiergeo.search.editing import Editable
from hiergeo.search.layout import Manifest
from hiergeo.search.pushing import Engines, push
from hiergeo.search.queries import Encoder, Query
from hiergeo.search.recall import KindAudit, audit, recall_of
from hiergeo.search.requests import Kind, Request
from hiergeo.search.rows import Rows
from hiergeo.search.store import Store
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

    Attributes:
        engines: the stores that it has been searched through.
    """

    def __init__(
        self, store: ExactStore, model: Model | None = None, device: str = "auto", compute: str = "cpu"
    ) -> None:
        self.store = store
        self.space = layout.space_of(store.folder, store.manifest)
        self.encoder = Encoder(self.manifest.model, self.manifest.frame.dim, model, device)
        self.device = resolve_device(compute)
        self.engines = Engines(store)

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
        store: Store | str | None = None,
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
            store: search through a store that holds the items, or the store of this spec such as "faiss:flat"; None
                scans the index.

        Raises:
            InputError: an empty index, a query that it cannot take, an argument out of range.
        """
        shared = {"k": k, "by": by, "space": space, "min_radius": min_radius, "low": low, "high": high, "store": store}
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
        store: Store | str | None = None,
    ) -> Answer | list[Answer]:
        """The k items that entail the query most; arguments as for `children`."""
        shared = {"k": k, "by": by, "space": space, "min_radius": min_radius, "low": low, "high": high, "store": store}
        return cast(Answer | list[Answer], self._asked("parents", query, shared))

    def neighbours(
        self,
        query: Questions,
        k: int = 10,
        *,
        space: Space | str | None = None,
        low: float = 0.0,
        high: float = float("inf"),
        store: Store | str | None = None,
    ) -> Answer | list[Answer]:
        """The k nearest items by geodesic distance; arguments as for `children`."""
        shared = {"k": k, "space": space, "low": low, "high": high, "store": store}
        return cast(Answer | list[Answer], self._asked("neighbours", query, shared))

    def ladder(
        self,
        query: Questions,
        thresholds: int | Tensor = 50,
        *,
        space: Space | str | None = None,
        store: Store | str | None = None,
    ) -> Climb | list[Climb]:
        """From general to specific: for each threshold the nearest item whose radius is within it.

        Args:
            query: one or several.
            thresholds: (T,) ascending, geodesic units; or how many, spread evenly from the smallest to the largest
                radius of the index.
            space: as for `children`.
            store: as for `children`.
        """
        shared = {"thresholds": thresholds, "space": space, "store": store}
        return cast(Climb | list[Climb], self._asked("ladder", query, shared))

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
        scanned = [group for group in asked if group.engine is None]
        if scanned:
            low, high = (end(getattr(g.first, name) for g in scanned) for end, name in ((min, "low"), (max, "high")))
            counts = run(self.store.stream(low, high), [group.task for group in scanned], self.device)
            for group, count in zip(scanned, counts, strict=True):
                group.scored = count
        results: list[Result] = [0] * len(requests)
        for group, places in zip(asked, groups.values(), strict=True):
            group.ask_store()
            for place, result in zip(places, group.results(), strict=True):
                results[place] = result
        return results

    def push(self, store: Store | str, *, progress: bool = False) -> int:
        """Make a store hold exactly the items of the index; returns how many were sent.

        Args:
            store: it, or its spec such as "milvus:http://localhost:19530".
            progress: draw a bar for work that outlasts a second.

        Raises:
            UnavailableError: it cannot be reached, or afterwards holds another number of items in a shell.
        """
        return push(self.store, self.engines.opened(store), progress=progress)

    def audit(
        self, store: str, queries: Tensor, k: int = 10, *, by: By = "margin", space: str | None = None
    ) -> tuple[KindAudit, ...]:
        """Measure the recall of searches through a store against scans; later approximate answers carry it.

        Args:
            store: its spec.
            queries: embeddings (Q, D) like those that will be searched for.
            k: hits of each query, and thresholds of its ladder.
            by: order of children and parents.
            space: spec of a geometry around the root of the index; None is the space of the index.

        Returns:
            One audit each of children, parents, neighbours and ladders: recall overall and of every shell.
        """
        spec = self.chosen(space).geometry.spec
        template = Request("children", "", k, by, thresholds=k, space=spec, store=store)
        return audit(self.search, self.store, self.engines.get(store), template, queries)

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
        searched = first.store is not None and first.kind != "count"
        self.engine = index.engines.checked(first.store) if searched and first.store is not None else None
        self.scored = 0
        self.guarantees: list[Guarantee] = ["exact"] * len(requests)

    def ask_store(self) -> None:
        """Search through the store that the requests name, if they name one."""
        if self.engine is None or not isinstance(self.task, Best | Steps):
            return
        store, facts = self.engine
        outcome = certified.search(self.task, self.index.store, store, facts=facts, device=self.index.device)
        self.scored = outcome.scored
        self.guarantees = ["certified" if sure else "approximate" for sure in outcome.certified.tolist()]

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

    def results(self) -> list[Result]:
        """The answers, after the items were scored."""
        if isinstance(self.task, Count | Within):
            return list(map(int, self.task.total))
        total = len(self.index)
        results: list[Result] = []
        each = zip(self.requests, self._hits(self.task.found), self.guarantees, self.x.radius.tolist(), strict=True)
        for request, hits, guarantee, radius in each:
            recall = self._recall() if guarantee == "approximate" else None
            known: tuple[Guarantee, int, int, float, Recall | None] = guarantee, self.scored, total, radius, recall
            if isinstance(self.task, Steps):
                results.append(Climb(tuple(map(Rung, self.task.thresholds.tolist(), hits)), *known))
            else:
                results.append(Answer(tuple(hit for hit in hits[: request.k] if hit is not None), *known))
        return results

    def _recall(self) -> Recall | None:
        """What was measured of the store for requests of this kind."""
        store, spec = self.first.store, self.space.geometry.spec
        return recall_of(self.index.store, store, self.first, spec) if isinstance(store, str) else None

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
