"""Searches through a store: candidates are scored exactly, and answers are those of a scan where the store is good."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo import Space, search
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.search import Answer, Climb, Request
from hiergeo.search.pushing import check_counts
from tests.search.stores_common import Listed, StoreTests, pushed

SPACES = ("euclidean", "lorentz:-1", "poincare:-4", "sphere:0.1")


class TestListed(StoreTests):
    """The store in memory that other tests search through is one."""

    make = staticmethod(Listed)


def data(kind: str) -> Tensor:
    g = torch.Generator().manual_seed(7)
    n, dim = 900, 8
    direction = normalize(torch.randn(n, dim, generator=g), dim=1)
    radius = 0.02 + 1.2 * torch.rand(n, 1, generator=g)
    if kind == "clusters":
        direction = normalize(direction[torch.randint(5, (n,), generator=g)] + 0.02 * direction, dim=1)
    if kind == "duplicates":
        return (direction * radius)[torch.randint(60, (n,), generator=g)]
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


@pytest.mark.parametrize("kind", ["random", "clusters", "duplicates", "at the root"])
def test_answers_through_a_store_that_misses_nothing_are_those_of_a_scan(tmp_path: Path, kind: str) -> None:
    rows = data(kind)
    index = built(tmp_path, rows)
    engine = pushed(index)
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
        found = index.search([Request(**each, store=engine) for each in asked])
        for settings, a, b in zip(asked, exact, found, strict=True):
            assert isinstance(a, Answer | Climb)
            assert isinstance(b, Answer | Climb)
            assert b.guarantee == "approximate"
            assert a.hits == b.hits, settings
            if isinstance(a, Climb) and isinstance(b, Climb):
                assert a.rungs == b.rungs


def test_rows_outside_a_range_are_not_scored(index: search.Index) -> None:
    core, engine = index.store.describe().shells[0], pushed(index)
    for low, high in ((core.high + 0.1, 0.9), (core.low, core.low), (core.low, core.high)):
        answer = index.neighbours(torch.ones(8), 1000, low=low, high=high, store=engine)
        assert isinstance(answer, Answer)
        assert answer.scored == len(answer.hits) == sum(map(len, index.store.scan(low, high)))


class Down(Listed):
    def candidates(self, queries: Tensor, shell: int, k: int) -> Tensor:
        raise UnavailableError("connection refused.")


class Strange(Listed):
    def candidates(self, queries: Tensor, shell: int, k: int) -> Tensor:
        return super().candidates(queries, shell, k) + 10**9


@pytest.mark.parametrize(
    ("kind", "error", "named"),
    [(Down, UnavailableError, "connection refused"), (Strange, InputError, "no item 10000.*push the index again")],
)
def test_a_store_that_fails_is_named(index: search.Index, kind: type[Listed], error: Any, named: str) -> None:
    engine = pushed(index, kind)
    with pytest.raises(error, match=named):
        index.children(torch.ones(8), 3, store=engine)


def test_a_store_of_another_number_of_items_is_refused(index: search.Index) -> None:
    with pytest.raises(UnavailableError, match=r"shell 0.*push"):
        index.children(torch.ones(8), 3, store=Listed(index.manifest.frame, index.manifest.edges))


def test_a_push_sends_what_is_missing_and_deletes_what_is_gone(tmp_path: Path) -> None:
    index = built(tmp_path, data("random"))
    engine = Listed(index.manifest.frame, index.manifest.edges)
    assert index.push(engine) == 900
    assert index.push(engine) == 0
    index.store.delete(torch.arange(40))
    with pytest.raises(UnavailableError, match="push"):
        check_counts(index.store, engine)
    assert index.push(engine) == 0
    assert sorted(engine.rows.ids.tolist()) == list(range(40, 900))
    for ids, change in (
        ([50], lambda rows: replace(rows, direction=-rows.direction)),
        ([50, 51], lambda rows: replace(rows, radii=rows.radii.flip(0))),
    ):
        moved = engine.rows.take(torch.isin(engine.rows.ids, torch.tensor(ids)))
        engine.delete(moved.ids)
        engine.add(change(moved))
        assert index.push(engine) == len(ids)
    (rows,) = engine.scan()
    assert torch.equal(rows.radii, index.store.fetch(rows.ids).radii)


def test_items_in_shells_of_other_edges_are_to_be_deleted_before_a_push(index: search.Index) -> None:
    manifest = index.manifest
    engine = Listed(manifest.frame, [0.9 * edge for edge in manifest.edges])
    for rows in index.store.scan():
        direction = normalize(rows.direction.float(), dim=1)
        engine.add(replace(rows, direction=direction))
    with pytest.raises(UnavailableError, match="empty one"):
        index.push(engine)


def test_products_and_stores_of_another_frame_are_refused(tmp_path: Path, index: search.Index) -> None:
    space = "product:lorentz:-1x4,euclidean:x4"
    product = search.build(tmp_path / "product", None, embeddings=data("random"), space=space)
    for store in ("milvus:http://nowhere:19530", Listed(product.manifest.frame, ())):
        with pytest.raises(InputError, match="factor"):
            product.parents(torch.ones(8), store=store)
    root = Space("euclidean", torch.full((8,), 0.1))
    rooted = search.build(tmp_path / "rooted", None, embeddings=data("random"), space=root)
    with pytest.raises(InputError, match="root"):
        rooted.parents(torch.ones(8), store=pushed(index))


def test_a_search_through_faiss_scans_and_says_so_once(tmp_path: Path) -> None:
    index = built(tmp_path, data("random"))
    scanned = index.parents(torch.ones(8), 3)
    with pytest.warns(UserWarning, match="faiss ended") as notices:
        answers = [index.parents(torch.ones(8), 3, store=spec) for spec in ("faiss:flat", "faiss:hnsw32")]
    assert len(notices) == 1
    assert answers == [scanned, scanned]
    with pytest.raises(InputError, match="unknown store"):
        index.push("faiss:flat")
