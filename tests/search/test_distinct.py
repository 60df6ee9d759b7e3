"""Answers of distinct captions, against folding the order of all items by hand."""

import json
from functools import partial

import pytest
import torch

from hiergeo import search
from hiergeo.geometry import Space
from hiergeo.geometry.space import By
from hiergeo.search import Item, Request
from hiergeo.search.distinct import distinct_items
from hiergeo.search.requests import MOST_HITS, Kind, fitting
from tests.search.search_common import DIM, embeddings, shrink_shards
from tests.search.stores_common import register

KINDS: tuple[tuple[Kind, By], ...] = (
    ("children", "margin"),
    ("children", "distance"),
    ("parents", "margin"),
    ("parents", "distance"),
    ("neighbours", "distance"),
)
K = 6


@pytest.fixture
def repeated(tmp_path, monkeypatch) -> search.Index:
    """300 items of 20 captions, one of them 120 times; a few items have none. Points of one caption differ."""
    shrink_shards(monkeypatch)
    draw = torch.Generator().manual_seed(3)
    of = torch.where(torch.rand(300, generator=draw) < 0.4, 0, torch.randint(20, (300,), generator=draw)).tolist()
    near = embeddings(20)[of] + 0.02 * torch.randn(300, DIM, generator=draw)
    names = [f"caption {at}" for at in of[:290]]
    index = search.build(tmp_path / "ix", None, names, space=Space("lorentz:-1", False), embeddings=near[:290])
    index.add(embeddings=near[290:])
    index.delete(range(0, 300, 11))
    return index


def folded(index: search.Index, request: Request) -> list[int | str]:
    """The first K ids of distinct captions in the order of all items."""
    whole = request.model_copy(update={"k": MOST_HITS, "distinct": False})
    (answer,) = index.search([whole])
    first: dict[object, int | str] = {}
    for hit in answer.hits:
        first.setdefault(hit.caption or hit.id, hit.id)
    return list(first.values())[: request.k]


@pytest.mark.parametrize("most", [K, MOST_HITS])
@pytest.mark.parametrize("store", [None, "listed:"])
def test_hits_are_the_first_of_each_caption_in_the_order_of_all_items(repeated, monkeypatch, most, store) -> None:
    monkeypatch.setattr("hiergeo.search.distinct.MOST_HITS", most)
    register(monkeypatch)
    if store is not None:
        repeated.push(store)
    asked = [
        Request(kind, query, k, **fitting(kind, {"by": by}), store=store)
        for kind, by in KINDS
        for query, k in ((torch.ones(DIM), K), (Item(42), K), (Item(1), 2))
    ]
    for request, answer in zip(asked, repeated.search(asked), strict=True):
        assert [hit.id for hit in answer.hits] == folded(repeated, request)
        assert answer.guarantee == ("exact" if store is None else "approximate")


def test_all_captions_are_found_however_many_are_wanted(repeated) -> None:
    answer = repeated.neighbours(torch.ones(DIM), 200)
    names = [hit.caption for hit in answer.hits if hit.caption]
    assert sorted(names) == sorted({f"caption {at}" for at in range(20)})
    assert len(answer.hits) + answer.repeats == len(repeated)


def test_every_item_is_listed_on_request(repeated) -> None:
    answer = repeated.neighbours(torch.ones(DIM), 200, distinct=False)
    assert (len({hit.id for hit in answer.hits}), answer.repeats) == (200, 0)


def test_captions_that_are_left_out_are_not_found(repeated) -> None:
    asked = Request("neighbours", torch.ones(DIM), 30, without=frozenset({"caption 0", "caption 3"}))
    (answer,) = repeated.search([asked])
    assert {hit.caption for hit in answer.hits} - {None} == {f"caption {at}" for at in range(20)} - asked.without


def test_the_command_line_lists_captions_once_unless_asked_for_all(run, tmp_path) -> None:
    search.build(tmp_path / "ix", "tiny", [*["an owl"] * 9, "an eagle", "a big brown owl", "a guitar"]).close()
    words = ("search", tmp_path / "ix", "an owl", "--find", "neighbours", "-k", 3, "--format", "json")
    for more, captions in (((), 3), (("--duplicates",), 1)):
        code, out, _ = run(*words, *more)
        (answer,) = json.loads(out)["answers"]
        assert (code, len({hit["caption"] for hit in answer["hits"]})) == (0, captions)


def test_the_innermost_items_and_those_that_hold_a_text_are_of_distinct_captions(repeated) -> None:
    rows = [
        each
        for rows in repeated.store.scan()
        for each in zip(rows.radii[:, 0].tolist(), rows.ids.tolist(), strict=True)
    ]
    order = torch.tensor([item for _, item in sorted(rows)])
    named = dict(zip(order.tolist(), repeated.store.labels(order).captions, strict=True))
    first = {caption or item: item for item, caption in reversed(named.items())}
    wanted = [item for item, caption in named.items() if first[caption or item] == item]
    for k in (1, 7, len(wanted), 1000):
        assert distinct_items(repeated.store, repeated.store.innermost, k).tolist() == wanted[:k]
    holding = [item for item in wanted if named[item] and "caption 1" in named[item]]
    assert distinct_items(repeated.store, partial(repeated.store.matching, "caption 1"), 5).tolist() == holding[:5]
