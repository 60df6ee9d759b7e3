"""The survey of the space of a lens, and the audit of a hierarchy whose captions it stores, without any model."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import unit
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.hierarchy import distinct
from hiergeo.evaluation import Embedded
from hiergeo.evaluation.auditing import Audit, AuditSettings, audit
from hiergeo.evaluation.auditing.survey import Survey, Surveyed, survey
from hiergeo.evaluation.twins import Twins
from hiergeo.geometry import Points
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.items import Tiers, factor_radii, read_items
from hiergeo.report.explorer.mapping import SAMPLE, tangents
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Count, run

FEWEST, APEXES = 100, 1024
"""Items whose cones are looked into, whatever their number."""

PAIRS = 100_000_000
"""Pairs of a cone and an item that is looked for in it."""

ROWS = 4096
"""Rows that are compared for copies at a time."""

CHAINS = 250
"""Chains that are audited, evenly spaced among those whose captions are all stored."""

SETTINGS = AuditSettings(steps=10)


def survey_of(lens: Lens, tiers: Tiers | None = None, hierarchy: Hierarchy | None = None) -> Survey:
    """Survey the space of a lens.

    Radii are those of all items. Directions are those of a random sample, the same whenever the items are the same;
    the cones of some of it are looked for among all items: of as many as `PAIRS` allows, `FEWEST` to `APEXES`.

    Args:
        lens: the items and their space.
        tiers: of the captions.
        hierarchy: that they are from: it is audited as far as its captions are stored.
    """
    store, space = lens.index.store.pinned(), lens.space
    items = read_items(store, tiers)
    sample = items.sample(SAMPLE)
    points = store.fetch(torch.from_numpy(sample)).points(space.geometry)
    apexes = points.rows(slice(0, int(np.clip(PAIRS // max(len(items), 1), FEWEST, APEXES))))
    counted = Count(space, apexes)
    run(store.stream(), [counted], lens.index.device)
    return survey(
        Surveyed(
            title=lens.title,
            space=space,
            items=items,
            radii=factor_radii(store, items),
            curvatures=space.geometry.curvature_values(store.manifest.frame.dim),
            tiers=() if tiers is None else tiers.names,
            copies=_copies(store),
            mean_direction=float(unit(torch.from_numpy(tangents(points)))[0].mean(0).norm()),
            sample=len(sample),
            contained=counted.total.numpy() - 1,
            audit=None if hierarchy is None else audit_of(lens, hierarchy),
        )
    )


def _copies(store: ExactStore) -> int:
    """How many rows equal another one in every bit of direction and radius: the fewest to take away for none to do."""
    hashes: set[int] = set()
    count = 0
    for rows in store.scan():
        count += len(rows)
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            columns = [column[part].contiguous().view(torch.uint8) for column in (rows.direction, rows.radii)]
            hashes.update(hash(row.tobytes()) for row in torch.cat(columns, dim=1).numpy())
    return count - len(hashes)


def audit_of(lens: Lens, hierarchy: Hierarchy) -> Audit | None:
    """The audit of the chains of a hierarchy by the stored rows of a lens; None where it is not possible.

    It is not possible where fewer than two chains have all their captions in the index, or all are of one branch. Of
    more than `CHAINS` chains some are audited. Contradicting captions count where all of them are stored; images do
    not. Stored directions are rounded to the dtype of the index.
    """
    store = lens.index.store.pinned()
    stored = _ids(store, hierarchy)
    rows = [row for row in hierarchy.rows if stored.keys() >= set(row.positive)]
    rows = rows[:: -(-len(rows) // CHAINS) or 1]
    if len(rows) < 2:
        return None
    wrong = distinct(caption for row in rows for caption in row.negative or ())
    if not all(row.negative for row in rows) or not stored.keys() >= set(wrong):
        rows, wrong = [replace(row, negative=None) for row in rows], ()
    texts = distinct(caption for row in rows for caption in row.positive)
    captions = distinct((*texts, *wrong))
    numbers = {caption: at for at, caption in enumerate(captions)}
    ids = torch.tensor([stored[caption] for caption in captions])
    vectors = _vectors(store.fetch(ids).points(lens.space.geometry))
    root = torch.zeros_like(vectors[0]) if lens.space.root is None else lens.space.root.double()
    chains = [[numbers[caption] for caption in row.negative or ()] for row in rows]
    embedded = Embedded(
        model=lens.title,
        hierarchy=Hierarchy(hierarchy.name, hierarchy.split, tuple(rows)),
        texts=texts,
        captions=root + vectors,
        contradicting=torch.tensor(chains) if wrong else None,
        image=None,
        root=root,
    )
    try:
        model = lens.index.encoder.loaded
        return audit(embedded, None, lens.space, SETTINGS, twins=0 if model is None else Twins(model, recorded=True))
    except InputError:
        return None


def _ids(store: ExactStore, hierarchy: Hierarchy) -> dict[str, int]:
    """The first item of each caption of a hierarchy that is stored."""
    wanted, stored = set(hierarchy.texts), dict[str, int]()
    for ids, labels in store.named():
        for item, caption in zip(ids.tolist(), labels.captions, strict=True):
            if caption is not None and caption.strip() in wanted:
                stored.setdefault(caption.strip(), item)
    return stored


def _vectors(points: Points) -> Tensor:
    """The tangent vectors (n, D) float64 at the root that points are read from."""
    parts = [unit(point.direction.double())[0] * point.radius.double()[:, None] for point in points.factors]
    return torch.cat(parts, dim=1)
