"""The front door of search: all kinds of questions against brute force over all pairs."""

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import torch

from hiergeo import Space, search
from hiergeo._core.errors import InputError
from hiergeo.search import Request, layout
from hiergeo.search.requests import KINDS, fitting
from tests.search.stores_common import Listed, pushed


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> search.Index:
    torch.manual_seed(0)
    rows = torch.randn(700, 12) * torch.rand(700, 1).add(0.1)
    folder = tmp_path_factory.mktemp("index") / "items"
    return search.build(folder, None, [f"caption {i}" for i in range(700)], embeddings=rows, space="euclidean")


def test_requests_of_all_kinds_share_one_pass(index: search.Index, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = torch.randn(3, 12) * 0.7
    requests = [
        Request("children", queries[0], k=3),
        Request("count", queries[1]),
        Request("children", queries[1], k=9),
        Request("ladder", queries[2], thresholds=4, space="lorentz:-1"),
        Request("neighbours", queries[0], k=5, low=0.5, high=1.0),
        Request("parents", queries[2], k=2, by="angle"),
        Request("count", queries[2], within=0.8),
    ]
    alone = [index.search([request])[0] for request in requests]
    passes, scan = [], index.store.stream

    def stream(*ends: Any, **how: Any) -> Any:
        passes.append(1)
        return scan(*ends, **how)

    monkeypatch.setattr(index.store, "stream", stream)
    assert index.search(requests) == alone
    assert len(passes) == 1
    assert alone[0] == index.children(queries[0], 3)
    assert all(0.5 <= hit.radius <= 1.0 for hit in alone[4].hits)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("parents", {"min_radius": 0.6}),
        ("parents", {"by": "angle"}),
        ("children", {"space": "lorentz:-1"}),
        ("children", {"low": 0.9}),
        ("children", {"high": 0.9}),
        ("children", {"k": 3}),
        ("count", {"min_radius": 0.2}),
        ("count", {"within": 1.5}),
        ("ladder", {"thresholds": 7}),
    ],
)
def test_requests_that_differ_in_one_setting_are_answered_each_by_its_own(
    index: search.Index, kind: Literal["children", "parents", "count", "ladder"], settings: dict[str, Any]
) -> None:
    query = torch.randn(12, generator=torch.Generator().manual_seed(1)) * 0.1
    requests = [Request(kind, query), Request(kind, query, **settings)]
    alone = [index.search([request])[0] for request in requests]
    assert index.search(requests) == alone
    assert index.search(requests[::-1]) == alone[::-1]
    assert alone[0] != alone[1]


@pytest.mark.parametrize("through_a_store", [False, True])
def test_items_that_are_excluded_are_as_if_they_were_not_there(tmp_path, index, through_a_store: bool) -> None:
    query = torch.randn(12, generator=torch.Generator().manual_seed(1)) * 0.1
    ids = [hit.id for hit in cast(search.Answer, index.neighbours(query, 20)).hits][::2]
    ids += [hit.id for hit in cast(search.Answer, index.children(query, 20)).hits][::2]
    copy = shutil.copytree(index.store.folder, tmp_path / "copy")
    fewer = search.open(copy)
    fewer.delete(ids)
    thresholds = torch.linspace(0.1, 2.0, 9)
    for kind in KINDS:
        options = fitting(kind, {"k": 7, "thresholds": thresholds})
        store = fitting(kind, {"store": pushed(index)}) if through_a_store else {}
        (left,) = index.search([Request(kind, query, exclude=[*ids, 10**15], **options, **store)])
        (deleted,) = fewer.search([Request(kind, query, **options)])
        if isinstance(left, int):
            assert left == deleted
        else:
            hits = left.hits, cast(search.Answer, deleted).hits  # what they are compared with is of all items
            one, other = ([replace(hit, entails=None, quantile=None) for hit in side] for side in hits)
            assert one == other
    with pytest.raises(InputError, match="exclude"):
        index.children(query, exclude=range(10_001))
    assert index.count(query, within=9.0) == len(index) > cast(int, index.count(query, within=9.0, exclude=ids))


def test_fewer_items_than_asked_for(index: search.Index) -> None:
    assert len(index.children(torch.randn(12), 1024).hits) == len(index)
    assert index.children(torch.randn(12), low=500.0).hits == ()


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"kind": "siblings"}, "siblings"),
        ({"k": 1025}, "k"),
        ({"k": 0}, "k"),
        ({"by": "cosine"}, "cosine"),
        ({"low": 2.0, "high": 1.0}, "empty"),
        ({"low": math.nan}, "empty"),
        ({"thresholds": 0}, "thresholds"),
        ({"thresholds": torch.tensor([2.0, 1.0])}, "ascend"),
        ({"within": -1.0}, "within"),
        ({"min_radius": 0.0}, "min_radius"),
    ],
)
def test_requests_that_cannot_be_answered_are_refused(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Request(**{"kind": "children", "query": torch.ones(12), **asked})


def test_an_index_without_items_is_refused(tmp_path: Path) -> None:
    layout.commit(tmp_path, layout.Manifest(search.Frame((4,), "l2", None), "float16", "euclidean", 0.1, None))
    empty = search.open(tmp_path)
    with pytest.raises(InputError, match="empty"):
        empty.children(torch.ones(4))


def test_deleted_items_are_neither_found_nor_counted(tmp_path: Path) -> None:
    rows = torch.randn(300, 6) * 0.4
    whole = search.build(tmp_path / "whole", None, embeddings=rows, space="euclidean")
    fewer = search.build(tmp_path / "fewer", None, embeddings=rows[::3], ids=torch.arange(0, 300, 3), space="euclidean")
    whole.store.delete(torch.tensor([i for i in range(300) if i % 3]))
    queries = torch.randn(4, 6) * 0.3
    for ask in (search.Index.children, search.Index.parents, search.Index.neighbours, search.Index.ladder):
        assert ask(whole, queries) == ask(fewer, queries)
    assert whole.count(queries) == fewer.count(queries)
    assert whole.count(queries, within=0.5) == fewer.count(queries, within=0.5)


@pytest.mark.parametrize("space", ["euclidean", "lorentz:-1", "sphere:0.2", "product:lorentz:-1x8,euclidean:x8"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_item_asked_for_by_its_own_embedding_entails_itself(tmp_path: Path, space: str, dtype: str) -> None:
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(400, 16), dim=1)
    rows[200::100] = rows[0]
    index = search.build(tmp_path / "index", None, embeddings=rows, space=Space(space, rows.mean(0)), dtype=dtype)
    ids = list(range(0, 200, 40))
    for answers in (index.children(rows[ids]), index.children(rows[ids], by="angle"), index.neighbours(rows[ids])):
        assert [answer.hits[0].id for answer in answers] == ids
        assert all(answer.hits[0].angle == answer.hits[0].distance == 0 for answer in answers)
    assert [hit.id for hit in index.children(rows[0], 3, by="angle").hits] == [0, 200, 300]
    assert all(count >= 1 for count in index.count(rows[ids]))
    assert index.count(rows[ids], within=0.0) == [3, 1, 1, 1, 1]


def test_ranges_are_compared_in_float64_by_every_road(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(50, 8), dim=1) * torch.linspace(0.1, 0.9, 50)[:, None]
    index = search.build(tmp_path / "index", None, embeddings=rows, space="euclidean")
    radius = float(torch.cat([each.radii[:, 0] for each in index.store.scan()]).sort().values[20])
    engine = Listed(index.manifest.frame, index.manifest.edges)
    index.push(engine)
    for end, below in ((radius - 1e-10, 20), (radius, 21), (radius + 1e-10, 21)):
        assert sum(map(len, index.store.scan(0, end))) == below
        assert sum(map(len, index.store.scan(end))) == 50 - below + (end == radius)
        for store in (None, engine):
            asked = Request("neighbours", rows[20], 50, high=end, store=store)
            assert len(index.search([asked])[0].hits) == below
            assert len(index.search([asked, Request("neighbours", rows[20], 1)])[0].hits) == below
            upper = Request("neighbours", rows[20], 50, low=end, store=store)
            assert len(index.search([upper, Request("count", rows[20])])[0].hits) == 50 - below + (end == radius)


@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-1", "sphere:0.05"])
def test_strict_hits_are_the_best_of_those_beyond_the_radius_of_the_query(tmp_path, spec) -> None:
    """All items in order are the oracle: strict children are those of a larger radius, strict parents of a smaller."""
    generator = torch.Generator().manual_seed(4)
    rows = torch.randn(60, 5, generator=generator) * torch.linspace(0.1, 1, 60)[:, None]
    rows[30] = rows[31]
    index = search.build(tmp_path / "index", None, [f"item {at}" for at in range(60)], embeddings=rows)
    for item in (0, 30, 59):
        sides: tuple[tuple[Literal["children", "parents"], int], ...] = (("children", 1), ("parents", -1))
        for kind, sign in sides:
            every = getattr(index, kind)(search.Item(item), 60, space=spec)
            wanted = [hit for hit in every.hits if sign * (hit.radius - every.radius) > 0]
            for k in (3, 60):
                (strict,) = index.search([Request(kind, search.Item(item), k, space=spec, strict=True)])
                assert [hit.id for hit in strict.hits] == [hit.id for hit in wanted][:k]
        with pytest.raises(InputError, match="strict"):
            Request("neighbours", search.Item(item), 60, space=spec, strict=True)


def test_of_an_item_at_the_root_nothing_is_more_general(tmp_path) -> None:
    rows = torch.cat([torch.zeros(2, 3), torch.eye(3)])
    index = search.build(tmp_path / "index", None, list("abcde"), embeddings=rows, space="euclidean")
    item = search.Item(0)
    found = index.search([Request("parents", item, strict=True), Request("children", item, strict=True)])
    assert [len(cast(search.Answer, each).hits) for each in found] == [0, 3]


def test_answers_name_the_number_that_orders_their_hits(tmp_path) -> None:
    index = search.build(tmp_path / "index", None, list("abc"), embeddings=torch.diag(torch.tensor([1.0, 2.0, 3.0])))
    assert [index.parents(torch.ones(3), by=by).as_dict()["by"] for by in ("margin", "angle", "distance")] == [
        "margin",
        "angle",
        "distance",
    ]
    assert (index.neighbours(torch.ones(3)).by, index.ladder(torch.ones(3)).by) == ("distance", "distance")
