"""The front door of search: an index that answers questions about what entails what."""

from collections.abc import Sequence
from typing import cast, final

import torch
from torch import Tensor

from hiergeo.adapters import Model
from hiergeo.errors import InputError
from hiergeo.geometry import Points, Space
from hiergeo.geometry.space import By, Side
from hiergeo.search import layout
from hiergeo.search.answers import Answer, Climb, Hit, Rung
from hiergeo.search.queries import Encoder, Query
from hiergeo.search.rows import Rows
from hiergeo.search.shards import Labels
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Best, Count, Found, Steps, run

Questions = Query | Sequence[Query] | Tensor
"""One query, or several: a list of queries, or embeddings (Q, D)."""


@final
class Index:
    """An index of embeddings in an entailment hierarchy.

    Methods take one query and give one answer, or several (a list, or a tensor (Q, D)) and give a list of answers from
    one pass over the index. A query is a text, an image (a path or a picture), or an embedding.

    Args:
        store: where the items are.
        model: the model of the index, if it is loaded already.
        device: where the model is loaded otherwise.
    """

    def __init__(self, store: ExactStore, model: Model | None = None, device: str = "auto") -> None:
        self.store = store
        self.manifest = store.manifest
        self.space = layout.space_of(store.folder, store.manifest)
        self.encoder = Encoder(self.manifest.model, self.manifest.frame.dim, model, device)

    def __len__(self) -> int:
        """How many items it holds."""
        return self.store.manifest.rows

    def children(
        self, query: Questions, k: int = 10, *, by: By = "margin", space: Space | str | None = None
    ) -> Answer | list[Answer]:
        """The k items that the query entails most.

        Args:
            query: one or several.
            k: 1 <= k <= 1024.
            by: "margin", largest first; "angle" or "distance", smallest first.
            space: another space of the frame of the index, or the spec of a geometry around its root; None is the space
                of the index.
        """
        return self._best(query, k, by, "children", space)

    def parents(
        self, query: Questions, k: int = 10, *, by: By = "margin", space: Space | str | None = None
    ) -> Answer | list[Answer]:
        """The k items that entail the query most; arguments as for `children`."""
        return self._best(query, k, by, "parents", space)

    def neighbours(self, query: Questions, k: int = 10, *, space: Space | str | None = None) -> Answer | list[Answer]:
        """The k nearest items by geodesic distance; arguments as for `children`."""
        return self._best(query, k, "distance", "children", space)

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
        chosen = self._chosen(space)
        x = chosen.points(self._embedded(query))
        steps = Steps(chosen, x, self._thresholds(thresholds))
        rows = run(self.store.scan(), [steps])
        assert steps.found is not None
        hits = self._hits(chosen, x, steps.found, "children")
        radius = x.radius.tolist()
        climbs = [
            Climb(
                tuple(Rung(float(t), hit) for t, hit in zip(steps.thresholds, each, strict=True)),
                "exact",
                rows,
                len(self),
                radius[i],
            )
            for i, each in enumerate(hits)
        ]
        return climbs if _several(query) else climbs[0]

    def count(self, query: Questions, *, space: Space | str | None = None) -> int | list[int]:
        """How many items the query entails: those within its cone. Arguments as for `children`."""
        chosen = self._chosen(space)
        count = Count(chosen, chosen.points(self._embedded(query)))
        run(self.store.scan(), [count])
        return count.total.tolist() if _several(query) else int(count.total[0])

    def space_of(self, space: Space | str | None) -> Space:
        """The space that the argument `space` of searches names.

        Raises:
            InputError: it is none of the frame of the index.
        """
        return self._chosen(space)

    def _best(self, query: Questions, k: int, by: By, side: Side, space: Space | str | None) -> Answer | list[Answer]:
        chosen = self._chosen(space)
        x = chosen.points(self._embedded(query))
        best = Best(chosen, x, k, by, side)
        rows = run(self.store.scan(), [best])
        assert best.found is not None
        hits = self._hits(chosen, x, best.found, side)
        answers = [
            Answer(tuple(hit for hit in each if hit is not None), "exact", rows, len(self), radius)
            for each, radius in zip(hits, x.radius.tolist(), strict=True)
        ]
        return answers if _several(query) else answers[0]

    def _chosen(self, space: Space | str | None) -> Space:
        if space is None:
            return self.space
        if isinstance(space, str):
            root = False if self.space.root is None else self.space.root
            space = Space(space, root, min_radius=self.space.min_radius)
        self.manifest.frame.check(space)
        return space

    def _embedded(self, query: Questions) -> Tensor:
        return self.encoder.encode(cast(Sequence[Query], query if _several(query) else [query]))

    def _thresholds(self, thresholds: int | Tensor) -> Tensor:
        if isinstance(thresholds, Tensor):
            return thresholds.double()
        shards = self.store.manifest.shards
        if not shards:
            raise InputError("the index is empty: add items before searching.")
        ends = min(shard.low for shard in shards), max(shard.high for shard in shards)
        return torch.linspace(*ends, thresholds, dtype=torch.float64)

    def _hits(self, space: Space, x: Points, found: Found, side: Side) -> list[list[Hit | None]]:
        """Hits (Q, k) of the items that were found."""
        known = found.ids.unique()
        known = known[known >= 0]
        rows, labels = self.store.fetch(known), self.store.labels(known)
        return [
            self._hits_of(space, x.rows(slice(q, q + 1)), ids, known, rows, labels, side)
            for q, ids in enumerate(found.ids)
        ]

    def _hits_of(
        self, space: Space, x: Points, ids: Tensor, known: Tensor, rows: Rows, labels: Labels, side: Side
    ) -> list[Hit | None]:
        place = torch.searchsorted(known, ids.clamp_min(int(known[0])))
        y = rows.take(place).points(space.geometry)
        apex, other = (x, y) if side == "children" else (y, x)
        numbers = zip(
            y.radius.tolist(),
            space.margin(apex, other).tolist(),
            space.exterior_angle(apex, other).tolist(),
            space.distance(x, y).tolist(),
            strict=True,
        )
        return [
            Hit(item, labels.captions[at], labels.images[at], *each) if item >= 0 else None
            for item, at, each in zip(ids.tolist(), place.tolist(), numbers, strict=True)
        ]


def _several(query: Questions) -> bool:
    return query.ndim == 2 if isinstance(query, Tensor) else isinstance(query, list | tuple)
