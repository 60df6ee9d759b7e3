"""A corpus in chosen numbers of groups, each inside one of the level above, named by their medoids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.progress import track
from hiergeo._core.records import Exported, Grid, Record, Records
from hiergeo.geometry import Space
from hiergeo.search import Index, Rows
from hiergeo.search.shards import Labels

SAMPLE = 1 << 12
"""Items that groups are made of, at most; every other item joins the group of the nearest of them."""


@final
@dataclass(frozen=True, eq=False)
class Levels(Exported):
    """Items and the groups that they are in, from few groups to many.

    Attributes:
        counts: L numbers of groups, ascending.
        ids: (n,) int64 of the items, ascending.
        labels: captions and images of the items.
        group: (n, L) int64, from 0; of every level the largest group is 0.
        medoid: of every level (count,), the place among the items of the one with the least mean distance to its group.
        geometry: spec of the space.
    """

    counts: tuple[int, ...]
    ids: NDArray[np.int64]
    labels: Labels
    group: NDArray[np.int64]
    medoid: tuple[NDArray[np.int64], ...]
    geometry: str

    def names(self, level: int) -> list[str]:
        """The names of the groups of a level, from 0: the captions of their medoids, or else their images or ids."""
        captions, images = self.labels.captions, self.labels.images
        return [captions[at] or images[at] or f"item {self.ids[at]}" for at in self.medoid[level].tolist()]

    def sizes(self, level: int) -> list[int]:
        """How many items the groups of a level have."""
        return list(map(int, np.bincount(self.group[:, level])))

    def parts(self, level: int, group: int) -> list[int]:
        """The groups of the next level that a group is made of, the largest first."""
        return list(map(int, np.unique(self.group[self.group[:, level] == group, level + 1])))

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """A row an item: id, caption, image, and of every level the group (``group_5``) and its name (``name_5``)."""
        named = list(map(self.names, range(len(self.counts))))
        rows = zip(self.ids.tolist(), self.labels.captions, self.labels.images, self.group.tolist(), strict=True)
        for number, caption, image, groups in rows:
            row: dict[str, Any] = {"id": number, "caption": caption, "image": image}
            for count, names, group in zip(self.counts, named, groups, strict=True):
                row |= {f"group_{count}": group, f"name_{count}": names[group]}
            yield row

    def grids(self) -> Iterator[Grid]:
        """The table of the items."""
        yield Records(tuple(self.records()), f"Groups by geodesic distance in {self.geometry}.").grid


def cut(
    index: Index, counts: Sequence[int], *, space: Space | str | None = None, seed: int = 0, progress: bool = False
) -> Levels:
    """Cut the items of an index into nested groups, by Ward's linkage of geodesic distances.

    Args:
        index: of captions, images or both.
        counts: how many groups every level has, such as ``(5, 20, 100)``: from 2 to `SAMPLE`, none twice.
        space: where, as for `Index.parents`.
        seed: of the sample, where there are more than `SAMPLE` items.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: `counts` do not fit, the index has fewer items, or the space does not fit it.
    """
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import squareform

    for count in counts:
        check_whole("a number of groups", count, 2, min(SAMPLE, max(len(index), 2)))
    counts, chosen, store = tuple(sorted(set(counts))), index.chosen(space), index.store
    if not counts or len(index) < 2:
        raise InputError("levels need at least one number of groups, such as 5,20,100, and an index of two items.")
    ids = torch.cat([rows.ids for rows in store.scan()]).sort().values
    drawn = np.random.default_rng(seed).choice(len(ids), min(SAMPLE, len(ids)), replace=False)
    sampled = torch.from_numpy(np.sort(drawn))
    sample = Rows.cat([rows.take(torch.isin(rows.ids, ids[sampled])) for rows in store.scan()])
    points = sample.take(sample.ids.argsort()).points(chosen.geometry)
    above = squareform(chosen.pairwise_distance(points, points).double().numpy(), checks=False)
    distance, nearest = squareform(above), torch.empty(len(ids), dtype=torch.int64)
    for rows in track(store.scan(), "grouping items", enabled=progress, size=len, total=len(ids)):
        nearest[torch.searchsorted(ids, rows.ids)] = chosen.nearest(rows.points(chosen.geometry), points)[1]
    nearest[sampled] = torch.arange(len(sampled))
    groups, medoids = [], []
    many_first = cut_tree(linkage(above, "ward"), counts[::-1])  # scipy needs n first
    for group in many_first.T[::-1]:
        by_size = np.argsort(-np.bincount(group[nearest]), kind="stable")
        groups.append(np.argsort(by_size)[group[nearest]])
        medoids.append(sampled.numpy()[[_medoid(distance, np.flatnonzero(group == number)) for number in by_size]])
    return Levels(
        counts, ids.numpy(), store.labels(ids), np.stack(groups, axis=1), tuple(medoids), chosen.geometry.spec
    )


def _medoid(distance: NDArray[np.float64], members: NDArray[np.intp]) -> int:
    return int(members[distance[np.ix_(members, members)].mean(axis=1).argmin()])
