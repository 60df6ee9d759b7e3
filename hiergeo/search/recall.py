"""Audits of stores: the share of the exact answer that a search through a store finds, overall and in each shell.

An audit searches the index twice, by a scan and through the store. Its numbers are kept in the index folder, and later
approximate answers of the same settings carry them.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import HiergeoError, InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Count, Document, Positive
from hiergeo.geometry import Space
from hiergeo.geometry.space import By
from hiergeo.search.answers import Answer, Climb, Hit, Recall
from hiergeo.search.pushing import record_path
from hiergeo.search.requests import Kind, Request
from hiergeo.search.store import Store, shell_of
from hiergeo.search.stores.exact import ExactStore

Ask = Callable[[Sequence[Request]], Sequence[Answer | Climb | int]]
"""What answers requests: `Index.search`."""

AUDITED: tuple[Kind, ...] = ("children", "parents", "neighbours", "ladder")

NORMAL = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


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
        certified: share of queries that were certified.
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
    certified: float
    scored: float


class _Document(Document):
    """The file of an audit."""

    store: str
    version: str
    generation: Count
    audit: tuple[KindAudit, ...]


def audit(ask: Ask, home: ExactStore, engine: Store, template: Request, queries: Tensor) -> tuple[KindAudit, ...]:
    """Measure the recall of searches through a store against scans, and keep it in the index folder.

    Args:
        ask: answers requests.
        home: the index.
        engine: the store.
        template: k, the order, the scale of the cones, the spec of the space and that of the store.
        queries: embeddings (Q, D) like those that will be searched for.

    Returns:
        One audit of each kind of search.

    Raises:
        InputError: no queries, or as for `Index.search`.
    """
    if queries.ndim != 2 or not len(queries):
        raise InputError(f"queries must be embeddings (Q, D) with Q >= 1, not a tensor {tuple(queries.shape)}.")
    audits = tuple(_measured(ask, home, replace(template, kind=kind), queries) for kind in AUDITED)
    facts = engine.describe()
    path = record_path(home, str(template.store))
    path.parent.mkdir(exist_ok=True)
    document = {
        "store": facts.name,
        "version": facts.version,
        "generation": home.manifest.generation,
        "audit": [asdict(each) for each in audits],
    }
    documents.write(path, document)
    return audits


def sampled(home: ExactStore, root: Tensor | None, count: int, seed: int = 0) -> Tensor:
    """Embeddings (Q, D) of `count` random items of an index of one factor, or of all where it has fewer.

    Raises:
        InputError: an empty index.
    """
    ids = torch.cat([torch.empty(0, dtype=torch.int64), *(rows.ids for rows in home.scan())])
    if not len(ids):
        raise InputError("the index is empty: add items before an audit.")
    chosen = torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed))[:count]
    rows = home.fetch(ids[chosen])
    vectors = normalize(rows.direction.float(), dim=1) * rows.radii
    return vectors if root is None else vectors + root


def recall_of(home: ExactStore, store: str, request: Request, space: Space) -> Recall | None:
    """What an audit has measured of searches like a request through a store.

    None if there is no audit of the same generation of the index, space, order, cones and number of hits or thresholds,
    if the request names a range of radii, or if the file of the audit is damaged.
    """
    path = record_path(home, store)
    asked = request.thresholds if request.kind == "ladder" else request.k
    if not path.is_file() or request.low > 0 or request.high < math.inf or not isinstance(asked, int):
        return None
    try:
        document = documents.read(path, _Document)
    except HiergeoError:
        return None
    if document.generation != home.manifest.generation:
        return None
    least = space.min_radius if request.min_radius is None else request.min_radius
    wanted = _key(request.kind, request.by, space.geometry.spec, least, asked)
    keys = {_key(each.kind, each.by, each.geometry, each.min_radius, each.k): each.recall for each in document.audit}
    return keys.get(wanted)


def _key(kind: Kind, by: By, geometry: str, min_radius: float, k: int) -> Hashable:
    """What two searches have in common where the recall of one is that of the other."""
    ordered = kind in ("children", "parents")
    return kind, geometry, k, by if ordered else None, min_radius if ordered and by == "margin" else None


def share(hits: int, total: int, queries: int) -> Recall:
    """A share with Wilson's 95 % interval for as many independent trials as there are queries.

    Items of one query are found or missed together, so each query counts once: the interval is wide rather than
    narrow.
    """
    p, z = hits / total, NORMAL
    middle = (p + z * z / (2 * queries)) / (1 + z * z / queries)
    half = z / (1 + z * z / queries) * math.sqrt(p * (1 - p) / queries + z * z / (4 * queries * queries))
    return Recall(p, max(0.0, middle - half), min(1.0, middle + half), queries)


def _measured(ask: Ask, home: ExactStore, template: Request, queries: Tensor) -> KindAudit:
    truth = ask([replace(template, query=query, store=None) for query in queries])
    found = ask([replace(template, query=query) for query in queries])
    pairs = cast(Sequence[tuple[Answer | Climb, Answer | Climb]], list(zip(truth, found, strict=True)))
    marks = [(query, hit, same) for query, pair in enumerate(pairs) for hit, same in _marks(*pair)]
    place = shell_of(torch.tensor([hit.radius for _, hit, _ in marks]), home.manifest.edges).tolist()
    shells: list[Recall | None] = []
    for shell in range(len(home.manifest.edges) + 1):
        inside = [(query, same) for (query, _, same), at in zip(marks, place, strict=True) if at == shell]
        asked = len({query for query, _ in inside})
        shells.append(share(sum(same for _, same in inside), len(inside), asked) if inside else None)
    return KindAudit(
        template.kind,
        template.by,
        str(template.space),
        float(template.min_radius or 0.0),
        template.k,
        share(sum(same for _, _, same in marks), len(marks), len(queries)),
        tuple(shells),
        sum(answer.guarantee == "certified" for _, answer in pairs) / len(pairs),
        sum(answer.scored for _, answer in pairs) / len(pairs) / home.manifest.rows,
    )


def _marks(truth: Answer | Climb, found: Answer | Climb) -> list[tuple[Hit, bool]]:
    """Every item of the exact answer, and whether it was found: anywhere, or of a ladder on the same rung."""
    if isinstance(truth, Climb) and isinstance(found, Climb):
        rungs = zip(truth.rungs, found.rungs, strict=True)
        return [(a.hit, b.hit is not None and a.hit.id == b.hit.id) for a, b in rungs if a.hit is not None]
    ids = {hit.id for hit in found.hits}
    return [(hit, hit.id in ids) for hit in truth.hits]
