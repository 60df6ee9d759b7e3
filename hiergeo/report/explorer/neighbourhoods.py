"""Neighbours and children of some items in two lenses: what both have, what one lost and the other gained."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from hiergeo.evaluation.auditing.population import Ids
from hiergeo.report.explorer.collection import Lens
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Best, run

NAMED = 3
"""Neighbours, or children, of each sort that are named."""

NONE = -1
"""In place of an id, where an item has fewer neighbours."""


@final
@dataclass(frozen=True)
class Named:
    """An item by what it is called.

    Attributes:
        id: its id.
        caption: None for an item without one.
        image: whether it has an image.
    """

    id: int
    caption: str | None
    image: bool

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"id": str(self.id), "caption": self.caption, "image": self.image}


@final
@dataclass(frozen=True)
class Turnover:
    """The k nearest neighbours, or the k best children, of one item in both lenses.

    Attributes:
        shared: how many are in both.
        kept: the first of those, in the order of the first lens.
        lost: the first of those that are in the first lens alone.
        gained: the first of those that are in the second lens alone.
    """

    shared: int
    kept: tuple[Named, ...]
    lost: tuple[Named, ...]
    gained: tuple[Named, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        listed = {"kept": self.kept, "lost": self.lost, "gained": self.gained}
        return {"shared": self.shared, **{name: [each.as_dict() for each in items] for name, items in listed.items()}}


def neighbourhoods(lens: Lens, store: ExactStore, ids: Ids, k: int) -> tuple[Ids, Ids]:
    """What is nearest to some items (Q,), the items themselves left out, in one pass over the pinned store of a lens.

    Returns:
        neighbours: (Q, k) ids by distance, nearest first; `NONE` where there are fewer.
        children: (Q, k) ids by the margin of the cone of the item, largest first.
    """
    space, device, asked = lens.space, lens.index.device, torch.from_numpy(ids)
    x = store.fetch(asked).points(space.geometry, device)
    near, below = Best(space, x, k + 1, "distance"), Best(space, x, k + 1, "margin")
    run(store.stream(), [near, below], device)
    return _others(near, asked, k), _others(below, asked, k)


def _others(task: Best, asked: Tensor, k: int) -> Ids:
    """The best k (Q, k) of k + 1 items found, without the item that was asked for."""
    assert task.found is not None
    ids = task.found.ids
    ids = torch.nn.functional.pad(ids, (0, k + 1 - ids.shape[1]), value=NONE)
    own = ids == asked[:, None]
    own[:, -1] |= ~own.any(dim=1)
    return np.asarray(ids[~own].view(len(asked), k).numpy())


def shared(one: Ids, other: Ids) -> Ids:
    """How many ids the rows of (Q, k) and (Q, k) have in common, (Q,)."""
    both = (one[:, :, None] == other[:, None, :]) & (one != NONE)[:, :, None]
    return np.asarray(both.any(axis=2).sum(axis=1))


def turnover(one: Ids, other: Ids, called: dict[int, Named]) -> Turnover:
    """What became of the company of one item: ids (k,) in both lenses, every one of them in `called`."""

    def named(ids: Iterable[int]) -> tuple[Named, ...]:
        return tuple(called[item] for item in ids)[:NAMED]

    before, after = ([item for item in side.tolist() if item != NONE] for side in (one, other))
    kept = [item for item in before if item in after]
    lost, gained = ([item for item in side if item not in kept] for side in (before, after))
    return Turnover(len(kept), named(kept), named(lost), named(gained))
