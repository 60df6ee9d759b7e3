"""Audits of stores: the share of the exact answer that a search through a store finds, overall and in each shell.

An audit searches the index twice, through the store and by a scan. Its numbers are kept in the index folder, and later
approximate answers of the same settings carry them.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import cast

import numpy as np
import torch

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Count, Document, Positive
from hiergeo._core.storage.files import writing
from hiergeo.evaluation.metrics.resampling import share_interval
from hiergeo.geometry import Space
from hiergeo.geometry.space import By
from hiergeo.search.answers import Answer, Climb, Hit, Recall
from hiergeo.search.groups import Result
from hiergeo.search.ids import Id
from hiergeo.search.queries import Item
from hiergeo.search.requests import Kind, Request
from hiergeo.search.store import shell_of
from hiergeo.search.stores.exact import ExactStore

RECORDS = "stores"
"""The folder of an index that keeps what was measured of its stores."""

AUDITED: tuple[Kind, ...] = ("children", "parents", "neighbours", "ladder")

Pair = tuple[Answer | Climb, Answer | Climb]
"""The exact answer to a query, and the one through a store."""


@dataclass(frozen=True)
class KindAudit:
    """What was measured of one kind of search.

    Attributes:
        kind: "children", "parents", "neighbours" or "ladder".
        by: order of children and parents.
        geometry: spec of the space.
        min_radius: scale of the cones.
        k: hits of each query; thresholds of a ladder.
        recall: share of the items of the exact answers that were found; of a ladder, of rungs that are equal.
        shells: the same for the items of each shell; None where no exact answer has one of it.
        scored: rows that were scored, of those of the index.
    """

    __pydantic_config__ = STRICT

    kind: Kind
    by: By
    geometry: str
    min_radius: float
    k: Positive
    recall: Recall
    shells: tuple[Recall | None, ...]
    scored: float


class _Document(Document):
    """The file of an audit."""

    generation: Count
    audit: tuple[KindAudit, ...]


def audit(
    ask: Callable[[Sequence[Request]], Sequence[Result]], home: ExactStore, space: Space, requests: Sequence[Request]
) -> tuple[KindAudit, ...]:
    """As `Index.audit`, of requests in a space that differ in their queries alone; `ask` answers requests."""
    through = [
        request.model_copy(update={"kind": kind, "thresholds": request.k}) for kind in AUDITED for request in requests
    ]
    scans = [request.model_copy(update={"store": None}) for request in through]
    pairs = cast(list[Pair], list(zip(ask(scans), ask(through), strict=True)))
    n = len(requests)
    audits = tuple(_measured(home, space, through[at], pairs[at : at + n]) for at in range(0, len(through), n))
    if isinstance(requests[0].store, str):
        path = record_path(home, requests[0].store)
        with writing(path):
            path.parent.mkdir(exist_ok=True)
        values = {"generation": home.manifest.generation, "audit": [asdict(record) for record in audits]}
        documents.write(path, values)
    return audits


def record_path(home: ExactStore, spec: str) -> Path:
    """The file in the index folder about a store; it is named by a hash, since specs may hold passwords."""
    name, _, _ = spec.partition(":")
    return home.folder / RECORDS / f"{name}-{sha256(spec.encode()).hexdigest()[:16]}.json"


def sampled(home: ExactStore, count: int) -> list[Item]:
    """So many random items of an index, or all where it has fewer; raises InputError for an empty one."""
    if not home.manifest.rows:
        raise InputError("the index is empty: add items before an audit.")
    ids = np.concatenate([ids for ids, _ in home.radii()])
    return [Item(int(item)) for item in np.random.default_rng(0).permutation(ids)[:count]]


def with_recall(
    home: ExactStore, requests: Sequence[Request], results: Sequence[Result], chosen: Callable[..., Space]
) -> list[Result]:
    """Results, the approximate ones with what an audit of the same generation measured of searches like theirs.

    Nothing is said of other spaces, orders, cones and numbers of hits or thresholds, nor of searches that leave items
    out. `chosen` gives the space that a request names.
    """
    recorded = cache(partial(_recorded, home))
    carrying = list(results)
    for number, (request, result) in enumerate(zip(requests, results, strict=True)):
        if not isinstance(result, int) and result.guarantee == "approximate" and isinstance(request.store, str):
            space = chosen(request.space)
            least = space.min_radius if request.min_radius is None else request.min_radius
            size = request.thresholds if request.kind == "ladder" else request.k
            key = _key(request.kind, request.by, space.geometry.spec, least, size)
            carrying[number] = replace(result, recall=recorded(request.store).get(key) if request.whole else None)
    return carrying


def _recorded(home: ExactStore, spec: str) -> dict[Hashable, Recall]:
    """What an audit has measured of a store; nothing if its file is damaged or of another generation."""
    try:
        document = documents.read(record_path(home, spec), _Document)
    except HiergeoError:
        return {}
    audits = document.audit if document.generation == home.manifest.generation else ()
    return {_key(part.kind, part.by, part.geometry, part.min_radius, part.k): part.recall for part in audits}


def _key(kind: Kind, by: By, geometry: str, min_radius: float, size: Hashable) -> Hashable:
    """What two searches have in common where the recall of one is that of the other."""
    ordered = kind in ("children", "parents")
    return kind, geometry, size, by if ordered else None, min_radius if ordered and by == "margin" else None


def _measured(home: ExactStore, space: Space, request: Request, pairs: Sequence[Pair]) -> KindAudit:
    items = [(query, _items(truth), _items(answer)) for query, (truth, answer) in enumerate(pairs)]
    marks = [(query, hit.radius, key in there) for query, own, there in items for key, hit in own.items()]
    query, radius, same = map(np.array, zip(*marks, strict=True))
    edges = home.manifest.edges
    inside = shell_of(torch.from_numpy(radius), edges).numpy() == np.arange(len(edges) + 1)[:, None]
    return KindAudit(
        request.kind,
        request.by,
        space.geometry.spec,
        space.min_radius,
        request.k,
        _share(query, same),
        tuple(_share(query[here], same[here]) if here.any() else None for here in inside),
        sum(answer.scored for _, answer in pairs) / len(pairs) / home.manifest.rows,
    )


def _items(answer: Answer | Climb) -> dict[tuple[int, Id], Hit]:
    """The items of an answer by rung and id; those of hits count wherever they are."""
    if isinstance(answer, Answer):
        return {(0, hit.id): hit for hit in answer.hits}
    return {(at, rung.hit.id): rung.hit for at, rung in enumerate(answer.rungs) if rung.hit is not None}


def _share(query: np.ndarray, same: np.ndarray) -> Recall:
    """The share of items (n,) that are in both answers; those of one query are there or missed together."""
    group = np.unique(query, return_inverse=True)[1]
    part, whole = np.bincount(group, same), np.bincount(group)
    return Recall(float(same.mean()), *share_interval(part, whole), len(whole))
