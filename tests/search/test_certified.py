"""Searches through a store: certified answers are those of a scan, and nothing unreliable is called certified."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo import Space, search
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.geometry.space import By
from hiergeo.search import Answer, Candidates, Climb, Request, Rows, Store, StoreFacts
from hiergeo.search.certified import search as through_store
from hiergeo.search.pushing import check_counts, push
from hiergeo.search.stores.faiss import FaissStore
from hiergeo.search.sweep import Best, run

SPACES = ("euclidean", "lorentz:-1", "poincare:-4", "sphere:0.1")


def data(kind: str) -> Tensor:
    g = torch.Generator().manual_seed(7)
    n, dim = 900, 8
    direction = normalize(torch.randn(n, dim, generator=g), dim=1)
    radius = 0.02 + 1.2 * torch.rand(n, 1, generator=g)
    if kind == "clusters":
        direction = normalize(direction[torch.randint(5, (n,), generator=g)] + 0.02 * direction, dim=1)
    if kind == "duplicates":
        return (direction * radius)[torch.randint(60, (n,), generator=g)]
    if kind == "one radius":
        radius = torch.ones(n, 1)
    if kind == "at the root":
        radius[::2] = 0
    return direction * radius


def built(folder: Path, rows: Tensor) -> search.Index:
    return search.build(folder / "items", None, embeddings=rows, space=Space("euclidean", "none"))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> search.Index:
    return built(tmp_path_factory.mktemp("index"), data("random"))


def queries(rows: Tensor) -> Tensor:
    g = torch.Generator().manual_seed(3)
    asked = torch.randn(7, rows.shape[1], generator=g) * torch.rand(7, 1, generator=g).mul(0.6)
    asked[0] = 0
    asked[1] = rows[5]
    return asked


@pytest.mark.parametrize("kind", ["random", "clusters", "duplicates", "one radius", "at the root"])
def test_certified_answers_are_those_of_a_scan(tmp_path: Path, kind: str) -> None:
    rows = data(kind)
    index = built(tmp_path, rows)
    shared: list[dict[str, Any]] = [
        {"kind": "children", "by": "margin"},
        {"kind": "parents", "by": "margin"},
        {"kind": "parents", "by": "angle", "low": 0.2, "high": 0.7},
        {"kind": "neighbours", "k": 3},
        {"kind": "ladder", "thresholds": 13},
    ]
    for space in SPACES:
        asked = [{**settings, "space": space, "query": query} for settings in shared for query in queries(rows)]
        exact = index.search([Request(**each) for each in asked])
        found = index.search([Request(**each, store="faiss:flat") for each in asked])
        for settings, a, b in zip(asked, exact, found, strict=True):
            assert isinstance(a, Answer | Climb)
            assert isinstance(b, Answer | Climb)
            assert b.guarantee == "certified"
            assert [hit.id for hit in a.hits] == [hit.id for hit in b.hits], settings
            assert a.hits == b.hits
            if isinstance(a, Climb) and isinstance(b, Climb):
                assert a.rungs == b.rungs


def test_fewer_rows_are_scored_where_bounds_close_shells(index: search.Index) -> None:
    answer = index.parents(torch.full((8,), 0.2), 3, store="faiss:flat")
    assert isinstance(answer, Answer)
    assert answer.guarantee == "certified"
    assert answer.scored < len(index)


def test_rows_outside_a_range_are_not_scored(index: search.Index) -> None:
    core = index.store.describe().shells[0]
    for low, high in ((core.high + 0.1, 0.9), (core.low, core.low), (core.low, core.high)):
        answer = index.neighbours(torch.ones(8), 1000, low=low, high=high, store="faiss:flat")
        assert isinstance(answer, Answer)
        assert answer.scored == len(answer.hits) == index.store.count(low, high)


class Mock(Store):
    """An exhaustive store that can be made to misbehave."""

    durable = False

    def __init__(self, index: search.Index, fault: str) -> None:
        manifest = index.manifest
        self.inner, self.fault, self.calls = FaissStore("flat", manifest.frame, manifest.edges), fault, 0
        self.failed: set[int] = set()

    def describe(self) -> StoreFacts:
        facts = self.inner.describe()
        if self.fault == "approximate":
            return StoreFacts(facts.name, facts.version, facts.frame, facts.rows, facts.shells, False)
        if self.fault == "counts":
            return StoreFacts(facts.name, facts.version, facts.frame, facts.rows, facts.shells[::-1], True)
        return facts

    def candidates(self, queries: Tensor, shell: int, k: int) -> Candidates:
        self.calls += 1
        ids, cosine = self.inner.candidates(queries, shell, k)
        if self.fault == "drops":
            ids[:, -1], cosine[:, -1] = -1, torch.nan
        if self.fault == "twice" and k > 1:
            ids[:, -1] = ids[:, 0]
        if self.fault == "order":
            ids, cosine = ids.flip(1), cosine.flip(1)
        if self.fault == "worst":  # of a shell the items that are farthest off, the farthest first
            ids, cosine = self.inner.candidates(-queries, shell, k)
            cosine = -cosine
        if self.fault == "cosine":
            cosine = cosine - 0.3
        if self.fault == "stranger":
            ids[:, 0] = 10**9
        if self.fault == "shell":
            ids, cosine = self.inner.candidates(queries, 1 + shell % 5, k)
        if self.fault == "down" or (self.fault == "once" and shell not in self.failed):
            self.failed.add(shell)
            raise UnavailableError("connection refused.")
        return Candidates(ids, cosine)

    def add(self, rows: Rows) -> None:
        self.inner.add(rows)

    def delete(self, ids: Tensor) -> int:
        return self.inner.delete(ids)

    def scan(self, low: float = 0.0, high: float = float("inf")) -> Iterator[Rows]:
        return self.inner.scan(low, high)

    def fetch(self, ids: Tensor) -> Rows:
        return self.inner.fetch(ids)

    def count(self, low: float = 0.0, high: float = float("inf")) -> int:
        return self.inner.count(low, high)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.parametrize("fault", ["approximate", "order", "worst", "cosine"])
def test_what_is_unreliable_is_never_called_certified(index: search.Index, fault: str) -> None:
    space = index.space
    asked = Rows.of(torch.arange(7), queries(data("random")), space).points(space.geometry)
    engine = Mock(index, fault)
    push(index.store, engine)
    task = Best(space, asked, 5)
    outcome = through_store(task, index.store, engine, 2, 8)
    assert not bool(outcome.certified[1:].any())


class Imprecise(Mock):
    """An exhaustive store whose cosines are as wrong as it admits: too small for even ids, too large for odd ones."""

    error = 0.005

    def __init__(self, index: search.Index) -> None:
        super().__init__(index, "")

    def describe(self) -> StoreFacts:
        return replace(super().describe(), cosine_error=self.error)

    def candidates(self, queries: Tensor, shell: int, k: int) -> Candidates:
        ids, cosine = self.inner.candidates(queries, shell, self.describe().shells[shell].count)
        told = cosine + torch.where(ids % 2 == 0, -0.99 * self.error, 0.99 * self.error)
        best = told.argsort(dim=1, descending=True)[:, :k]
        return Candidates(ids.gather(1, best), told.gather(1, best))


def test_certificates_leave_room_for_the_error_of_a_cosine(tmp_path: Path) -> None:
    g = torch.Generator().manual_seed(5)
    radius = torch.tensor([1.0, 1.001, 1.002]).repeat(300)  # three dense shells, the innermost of which is scanned
    index = built(tmp_path, normalize(torch.randn(900, 3, generator=g), dim=1) * radius[:, None])
    engine = Imprecise(index)
    push(index.store, engine)
    asked = Rows.of(torch.arange(300), normalize(torch.randn(300, 3, generator=g), dim=1), index.space)
    task = Best(index.space, asked.points(index.space.geometry), 1, by="distance")
    certified = through_store(task, index.store, engine, 2, 4).certified
    assert task.found is not None
    held = index.store.fetch(torch.arange(900))
    points = [normalize(rows.direction.double(), dim=1) * rows.radii.double() for rows in (asked, held)]
    nearest = torch.cdist(points[0], points[1]).argmin(dim=1)
    assert certified.sum() > 50
    assert torch.equal(task.found.ids[certified, 0], nearest[certified])


@pytest.mark.parametrize(
    ("fault", "kind", "named"),
    [
        ("drops", UnavailableError, "shell 1"),
        ("twice", UnavailableError, "twice"),
        ("down", UnavailableError, "connection refused"),
        ("counts", UnavailableError, "shell 0"),
        ("stranger", InputError, "1000000000"),
        ("shell", InputError, "another shell"),
    ],
)
def test_a_store_that_fails_is_named(index: search.Index, fault: str, kind: type[Exception], named: str) -> None:
    with pytest.raises(kind, match=named):
        index.children(torch.ones(8), 3, store=Mock(index, fault))


def test_a_shell_is_asked_again_once(index: search.Index) -> None:
    answer = index.children(torch.ones(8), 3, store=Mock(index, "once"))
    assert isinstance(answer, Answer)
    assert answer.guarantee == "certified"


def test_a_limit_of_candidates_leaves_an_answer_approximate(index: search.Index) -> None:
    space = index.space
    asked = Rows.of(torch.arange(1), torch.full((1, 8), 0.1), space).points(space.geometry)
    engine = Mock(index, "")
    push(index.store, engine)
    outcome = through_store(Best(space, asked, 200, by="angle"), index.store, engine, 1, 1)
    assert outcome.certified.tolist() == [False]


def test_a_push_sends_what_is_missing_and_deletes_what_is_gone(tmp_path: Path) -> None:
    index = built(tmp_path, data("random"))
    engine = Mock(index, "")
    assert index.push(engine) == 900
    assert index.push(engine) == 0
    index.store.delete(torch.arange(40))
    with pytest.raises(UnavailableError, match="push"):
        check_counts(index.store, engine)
    assert index.push(engine) == 0
    assert engine.count() == 860
    assert {int(i) for rows in engine.scan() for i in rows.ids} == set(range(40, 900))
    moved = engine.fetch(torch.tensor([50]))
    engine.delete(moved.ids)
    engine.add(Rows(moved.ids, -moved.direction, moved.radii))
    assert index.push(engine) == 1
    moved = engine.fetch(torch.tensor([50, 51]))
    engine.delete(moved.ids)
    engine.add(Rows(moved.ids, moved.direction, moved.radii.flip(0)))
    assert index.push(engine) == 2
    assert torch.equal(engine.fetch(moved.ids).radii, index.store.fetch(moved.ids).radii)


def test_items_in_shells_of_other_edges_are_to_be_deleted_before_a_push(index: search.Index) -> None:
    manifest = index.manifest
    engine = FaissStore("flat", manifest.frame, [0.9 * edge for edge in manifest.edges])
    for rows in index.store.scan():
        engine.add(rows)
    with pytest.raises(UnavailableError, match="delete its items, which lie in shells of other edges"):
        index.push(engine)


def test_deleted_and_added_items_are_seen_by_a_store_in_memory(tmp_path: Path) -> None:
    index = built(tmp_path, data("random"))
    query = data("random")[7]
    before = index.neighbours(query, 1, store="faiss:flat")
    assert isinstance(before, Answer)
    assert before.hits[0].id == 7
    index.store.delete(torch.tensor([7]))
    after = index.neighbours(query, 1, store="faiss:flat")
    assert isinstance(after, Answer)
    assert after.hits[0].id != 7


def test_products_and_stores_of_another_frame_are_refused(tmp_path: Path, index: search.Index) -> None:
    product = search.build(
        tmp_path / "product", None, embeddings=data("random"), space="product:lorentz:-1x4,euclidean:x4"
    )
    for store in ("faiss:flat", Mock(product, "")):
        with pytest.raises(InputError, match="factor"):
            product.parents(torch.ones(8), store=store)
    rooted = search.build(
        tmp_path / "rooted", None, embeddings=data("random"), space=Space("euclidean", torch.full((8,), 0.1))
    )
    with pytest.raises(InputError, match="root"):
        rooted.parents(torch.ones(8), store=Mock(index, ""))


@pytest.mark.parametrize("by", ["angle", "distance"])
def test_shells_are_widened_from_one_candidate_until_they_are_certified(index: search.Index, by: By) -> None:
    space = index.space
    asked = Rows.of(torch.arange(7), queries(data("random")), space).points(space.geometry)
    scanned, found = Best(space, asked, 20, by), Best(space, asked, 20, by)
    run(index.store.scan(), [scanned])
    engine = Mock(index, "")
    push(index.store, engine)
    outcome = through_store(found, index.store, engine, 1, 4096)
    assert bool(outcome.certified.all())
    assert not bool(through_store(Best(space, asked, 20, by), index.store, engine, 1, 1).certified.all())
    assert scanned.found is not None
    assert found.found is not None
    assert torch.equal(scanned.found.ids, found.found.ids)
    assert torch.equal(scanned.found.values, found.found.values)
