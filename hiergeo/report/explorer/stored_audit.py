"""The audit of a hierarchy whose captions are stored: `hiergeo.audit` of the rows of an index, without the model."""

from dataclasses import replace

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import unit
from hiergeo.datasets import Hierarchy
from hiergeo.datasets.hierarchy import distinct
from hiergeo.evaluation import Embedded
from hiergeo.evaluation.auditing import Audit, AuditSettings, audit
from hiergeo.geometry import Points
from hiergeo.report.explorer.collection import Lens
from hiergeo.search.stores.exact import ExactStore

CHAINS = 250
"""Chains that are audited, evenly spaced among those whose captions are all stored."""

SETTINGS = AuditSettings(steps=10, samples=200)


def audit_of(lens: Lens, hierarchy: Hierarchy) -> Audit | None:
    """The audit of the chains of a hierarchy by the stored rows of a lens; None where it is not possible.

    It is not possible where fewer than two chains have all their captions in the index, or all are of one branch. Of
    more than `CHAINS` chains some are audited. Contradicting captions count where all of them are stored; images do
    not. Stored directions are rounded to the dtype of the index.
    """
    store = lens.index.store.pinned()
    known = _ids(store, hierarchy)
    rows = [row for row in hierarchy.rows if all(caption in known for caption in row.positive)]
    rows = rows[:: -(-len(rows) // CHAINS) or 1]
    if len(rows) < 2:
        return None
    wrong = distinct(caption for row in rows for caption in row.negative or ())
    if not all(row.negative for row in rows) or not all(caption in known for caption in wrong):
        rows, wrong = [replace(row, negative=None) for row in rows], ()
    texts = distinct(caption for row in rows for caption in row.positive)
    captions = distinct((*texts, *wrong))
    place = {caption: at for at, caption in enumerate(captions)}
    ids = torch.tensor([known[caption] for caption in captions])
    vectors = _vectors(store.fetch(ids).points(lens.space.geometry))
    root = torch.zeros_like(vectors[0]) if lens.space.root is None else lens.space.root.double()
    chains = [[place[caption] for caption in row.negative or ()] for row in rows]
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
        return audit(embedded, None, lens.space, SETTINGS)
    except InputError:
        return None


def _ids(store: ExactStore, hierarchy: Hierarchy) -> dict[str, int]:
    """The first item of each caption of a hierarchy that is stored."""
    wanted, known = set(hierarchy.texts), dict[str, int]()
    for ids, labels in store.named():
        for item, caption in zip(ids.tolist(), labels.captions, strict=True):
            if caption is not None and caption.strip() in wanted:
                known.setdefault(caption.strip(), item)
    return known


def _vectors(points: Points) -> Tensor:
    """The tangent vectors (n, D) float64 at the root that points are read from."""
    parts = [unit(point.direction.double())[0] * point.radius.double()[:, None] for point in points.factors]
    return torch.cat(parts, dim=1)
