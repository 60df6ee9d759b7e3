"""What moved between two lenses over the same items: the order of radii, and the neighbours and children of items."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.errors import InputError, check_whole
from hiergeo.evaluation.auditing.population import Ids, Items, Measured, mean_of
from hiergeo.evaluation.experiment import FLAT_BEND
from hiergeo.evaluation.metrics import Interval
from hiergeo.evaluation.metrics.length import midranks
from hiergeo.geometry import ConstantCurvature
from hiergeo.geometry.base import bend
from hiergeo.geometry.disk import Floats
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.items import UNKNOWN, Tiers, radii_of, read_items
from hiergeo.report.explorer.movers import BINS, Moved, Mover, Ranks, TierMove
from hiergeo.report.explorer.neighbourhoods import NONE, Named, neighbourhoods, shared, turnover
from hiergeo.search.stores.exact import ExactStore

MOST_NEIGHBOURS = 50
"""The largest k."""

PAIRS = 100_000_000
"""Pairs of an item that is asked for and one that is looked at, for each kind and lens."""

FEWEST, MOST = 100, 2000
"""Items whose neighbours and children are looked up, whatever their number."""

MOVERS = 50
"""Items that moved most, by radius and by neighbours."""

DOTS = 1000
"""Items whose ranks are listed for a scatter."""

EQUAL = Interval(1.0, 1.0)

Radii = NDArray[np.float32]


def compare(a: Lens, b: Lens, k: int = 10, tiers: Tiers | None = None) -> Moved:
    """Compare two lenses over the same items.

    The rank correlation and the ranks are those of all items. Neighbours and children are looked up by the engine for
    a random sample, the same whenever the items are the same: as many as `PAIRS` allows, `FEWEST` to `MOST`; and for
    the items whose rank changed most.

    Args:
        a: one lens.
        b: another one.
        k: neighbours, and children, of an item, 1 <= k <= `MOST_NEIGHBOURS`.
        tiers: of the captions.

    Raises:
        InputError: k out of range, fewer than two items, or lenses over different ones.
    """
    check_whole("k", k, 1, MOST_NEIGHBOURS)
    first = a.index.store.pinned()
    stores = first, first if a.index is b.index else b.index.store.pinned()
    items, radii = _measured(a, b, stores, tiers)
    k = min(k, len(items) - 1)
    one_space = a.index is b.index and _is_one_space(a, b)
    ranks = [(midranks(each) - 0.5) / len(items) for each in radii]
    moved = ranks[1] - ranks[0]
    sampled = np.sort(items.places(items.sample(int(np.clip(PAIRS // len(items), FEWEST, MOST)))))
    far = np.lexsort((items.ids, -np.abs(moved)))[:MOVERS]
    asked = np.union1d(sampled, far[moved[far] != 0])
    around = [neighbourhoods(a, stores[0], items.ids[asked], k)]
    around.append(around[0] if one_space else neighbourhoods(b, stores[1], items.ids[asked], k))
    near, below = (shared(*sides) for sides in zip(*around, strict=True))
    random = asked.searchsorted(sampled)
    lost = random[np.lexsort((items.ids[sampled], (near + below)[random]))][:MOVERS]

    def movers(rows: Ids) -> tuple[Mover, ...]:
        both = ([side[rows] for side in sides] for sides in zip(*around, strict=True))
        return _movers(stores[0], items, asked[rows], radii, ranks, *both)

    return Moved(
        titles=(a.title, b.title),
        items=len(items),
        k=k,
        one_space=one_space,
        same_radii=a.index is b.index,
        level=all(_is_level(lens, float(each.max())) for lens, each in zip((a, b), radii, strict=True)),
        spearman=Measured(1.0, EQUAL, len(items)) if a.index is b.index else items.correlation(*radii),
        neighbours=mean_of(near[random] / k),
        children=mean_of(below[random] / k),
        kept=(_kept(near[random], k), _kept(below[random], k)),
        tiers=tuple(_tier_moves(items, ranks, tiers)),
        changes=tuple(np.histogram(moved, np.linspace(-1, 1, BINS + 1))[0].tolist()),
        sample=_sample(items, ranks),
        movers=movers(asked.searchsorted(far[moved[far] != 0])),
        rewired=movers(lost[(near + below)[lost] < 2 * k]),
    )


def _measured(
    a: Lens, b: Lens, stores: tuple[ExactStore, ExactStore], tiers: Tiers | None
) -> tuple[Items, tuple[Radii, Radii]]:
    """The items of two lenses, and their radii in each."""
    items = read_items(stores[0], tiers)
    if len(items) < 2:
        raise InputError(f"{a.title} has {len(items)} items: at least two are needed to compare lenses.")
    radii = radii_of(stores[0], items, a.space.geometry)
    if a.index is b.index:
        return items, (radii, radii)
    if stores[1].manifest.rows != len(items) or not bool(stores[1].holds(torch.from_numpy(items.ids)).all()):
        raise InputError(f"{a.title} and {b.title} hold different items: compare lenses over the same ones.")
    return items, (radii, radii_of(stores[1], items, b.space.geometry))


def _kept(counts: Ids, k: int) -> tuple[int, ...]:
    return tuple(np.bincount(counts, minlength=k + 1).tolist())


def _is_one_space(a: Lens, b: Lens) -> bool:
    """Whether two lenses over one index are charts of one space with the same cones."""
    one, other = a.space, b.space
    return one.geometry.isometry_class == other.geometry.isometry_class and one.min_radius == other.min_radius


def _is_level(lens: Lens, farthest: float) -> bool:
    """Whether a space measures like Euclidean space at its radii."""
    geometry = lens.space.geometry
    return isinstance(geometry, ConstantCurvature) and abs(bend(geometry.value, farthest)) < FLAT_BEND


def _sample(items: Items, ranks: list[Floats]) -> Ranks:
    some = np.sort(items.places(items.sample(DOTS)))
    a, b = (tuple(each[some].tolist()) for each in ranks)
    return Ranks(tuple(items.ids[some].tolist()), tuple(items.tier[some].tolist()), (a, b))


def _tier_moves(items: Items, ranks: list[Floats], tiers: Tiers | None) -> Iterator[TierMove]:
    for tier, name in enumerate(() if tiers is None else tiers.names):
        own = items.tier == tier
        if own.any():
            yield TierMove(name, int(own.sum()), *(float(each[own].mean()) for each in ranks))


def _movers(
    store: ExactStore,
    items: Items,
    chosen: Ids,
    radii: tuple[Radii, Radii],
    ranks: list[Floats],
    near: list[Ids],
    below: list[Ids],
) -> tuple[Mover, ...]:
    """What became of the items at the places `chosen` (Q,), whose neighbours and children in both lenses are (Q, k)."""
    own = items.ids[chosen]
    ids = np.unique(np.concatenate([own, *(part.ravel() for part in (*near, *below))]))
    ids = ids[ids != NONE]
    labels = store.labels(torch.from_numpy(ids))
    called = {
        item: Named(item, caption, image is not None)
        for item, caption, image in zip(ids.tolist(), labels.captions, labels.images, strict=True)
    }
    return tuple(
        Mover(
            called[item],
            None if items.tier[at] == UNKNOWN else int(items.tier[at]),
            (float(radii[0][at]), float(radii[1][at])),
            (float(ranks[0][at]), float(ranks[1][at])),
            turnover(near[0][row], near[1][row], called),
            turnover(below[0][row], below[1][row], called),
        )
        for row, (item, at) in enumerate(zip(own.tolist(), chosen.tolist(), strict=True))
    )
