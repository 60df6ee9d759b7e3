"""Audits of stores: recall is that of answers compared by hand, and later approximate answers carry it."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from hiergeo import Space, search
from hiergeo._core.errors import InputError
from hiergeo.search import Answer, Climb, Item, Query, Recall, Request, serving
from hiergeo.search.recall import record_path, sampled
from hiergeo.search.requests import fitting
from tests.search.search_common import DIM, HashModel, embeddings
from tests.search.serving.serving_common import served
from tests.search.stores_common import register

KINDS = ("children", "parents", "neighbours", "ladder")
LOSSY, OTHER, GOOD = "lossy:a", "lossy:b", "listed:"
K = 5


@pytest.fixture
def index(tmp_path, monkeypatch) -> search.Index:
    """1,800 items of 60 captions, pushed to a store that proposes every third of them, and to one that proposes all."""
    register(monkeypatch)
    points, names = embeddings(1800), [f"caption {at % 60}" for at in range(1800)]
    index = search.build(tmp_path / "ix", None, names, space=Space("euclidean", "none"), embeddings=points)
    for spec in (LOSSY, OTHER, GOOD):
        index.push(spec)
    return index


def queries() -> Tensor:
    return embeddings(6, seed=1)


def answers(index: search.Index, kind: Any, store: str | None, by: Any, space: str) -> list[Any]:
    settings = {"store": store, "by": by, "space": space, "k": K, "thresholds": K, "distinct": False}
    return index.search([Request(kind, query, **fitting(kind, settings)) for query in queries()])


def marks(truth: Answer | Climb, found: Answer | Climb) -> list[tuple[float, bool]]:
    """The radius of every exact item, and whether it was found."""
    if isinstance(truth, Climb) and isinstance(found, Climb):
        pairs = [(a.hit, b.hit) for a, b in zip(truth.rungs, found.rungs, strict=True)]
        return [(a.radius, b is not None and a.id == b.id) for a, b in pairs if a is not None]
    return [(hit.radius, hit.id in [other.id for other in found.hits]) for hit in truth.hits]


@pytest.mark.parametrize(("by", "space"), [("margin", "euclidean"), ("distance", "lorentz:-1")])
def test_recall_is_the_share_of_the_exact_items_that_are_found(index, by, space) -> None:
    audits = index.audit(LOSSY, queries(), K, by=by, space=space)
    assert [each.kind for each in audits] == list(KINDS)
    assert min(each.recall.value for each in audits) < 0.9
    edges = index.manifest.edges
    for each in audits:
        found = answers(index, each.kind, LOSSY, by, space)
        by_query = [marks(*pair) for pair in zip(answers(index, each.kind, None, by, space), found, strict=True)]
        check(each.recall, by_query)
        for shell, recall in enumerate(each.shells):
            inside = [[mark for mark in part if bisect_left(edges, mark[0]) == shell] for part in by_query]
            if recall is None:
                assert not any(inside)
            else:
                check(recall, [part for part in inside if part])
        assert (each.by, each.geometry, each.k) == (by, space, K)
        assert each.scored == pytest.approx(sum(answer.scored for answer in found) / len(found) / len(index))


def check(recall: Recall, by_query: Sequence[Sequence[tuple[float, bool]]]) -> None:
    same = [found for part in by_query for _, found in part]
    assert recall.value == pytest.approx(sum(same) / len(same))
    assert recall.queries == len(by_query)
    assert 0 <= recall.low <= recall.value <= recall.high <= 1
    assert recall.low < recall.high


@pytest.mark.slow
def test_an_audit_is_kept_and_carried_by_approximate_answers(index) -> None:
    good = index.audit(GOOD, queries(), K)
    assert min(each.recall.value for each in good) > 0.9
    assert index.children(queries()[0], K).recall is None
    children, _, _, ladder = index.audit(LOSSY, queries(), K)

    def carried(asked: search.Index = index, **more: Any) -> Recall | None:
        answer = asked.children(queries()[0], **{"k": K, "store": LOSSY, "distinct": False, **more})
        assert answer.guarantee == "approximate"
        return answer.recall

    assert carried() == carried(search.open(index.store.folder)) == children.recall
    assert index.ladder(queries()[0], K, store=LOSSY).recall == ladder.recall
    assert index.ladder(queries()[0], K + 1, store=LOSSY).recall is None
    assert index.ladder(queries()[0], torch.arange(3.0), store=LOSSY).recall is None
    for more in (
        {"by": "angle"},
        {"k": K + 1},
        {"low": 0.1},
        {"high": 1.0},
        {"min_radius": 0.2},
        {"space": "lorentz:-1"},
        {"space": Space("euclidean", min_radius=0.2)},
        {"store": OTHER},
    ):
        assert carried(**more) is None, more
    (left_out,) = index.search([Request("children", queries()[0], K, store=LOSSY, without=frozenset({"caption 1"}))])
    assert left_out.recall is None
    record_path(index.store, LOSSY).write_text("{")
    assert carried() is None
    index.audit(LOSSY, queries(), K, by="distance")
    assert (carried(), carried(by="angle")) == (None, None)
    assert carried(by="distance", min_radius=0.2) is not None
    index.delete([0])
    index.push(LOSSY)
    assert carried(by="distance") is None


def test_answers_that_were_asked_again_for_distinct_captions_keep_their_recall(index) -> None:
    children = index.audit(LOSSY, queries(), 50)[0]
    answer = index.children(queries()[0], 50, store=LOSSY)
    assert answer.repeats > 0
    assert answer.recall == children.recall


def test_recall_is_written_as_json_and_served(index) -> None:
    audits = index.audit(LOSSY, queries(), K)
    with served(index, serving.Settings(store=LOSSY)) as running, serving.Client(running.url) as client:
        far = client.children(queries()[0], K), client.ladder(queries()[0], steps=K)
    assert [each.recall for each in far] == [audits[0].recall, audits[3].recall]
    own = index.children(queries()[0], K, store=LOSSY)
    assert Answer.of_dict(own.as_dict()) == own


def test_queries_are_texts_items_and_embeddings(tmp_path, monkeypatch) -> None:
    register(monkeypatch)
    texts = [f"text {at}" for at in range(40)]
    index = search.build(tmp_path / "ix", HashModel(), texts)
    index.push(GOOD)
    asked: list[Query] = [*sampled(index.store, 3), "a dog", torch.ones(DIM)]
    audits = index.audit(GOOD, asked, 2)
    assert [each.recall.queries for each in audits] == [5] * 4
    assert {each.id for each in sampled(index.store, 100)} == set(range(40))
    assert len({*sampled(index.store, 7)}) == 7
    for refused in ([], torch.ones(2, DIM + 1), [Item(99)]):
        with pytest.raises(InputError):
            index.audit(GOOD, refused)
    index.delete(range(40))
    with pytest.raises(InputError, match="empty"):
        sampled(index.store, 3)
