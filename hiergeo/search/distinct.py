"""Hits of distinct captions: of items with one caption the best counts.

A search lists its best items. Where these have too few captions it is asked for more, and at last for items without the
captions that were found: nothing is guessed, so the answer is as exact as the lists are.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor

from hiergeo.search.answers import Answer, Guarantee, Hit
from hiergeo.search.groups import Result
from hiergeo.search.requests import MOST_HITS, Request
from hiergeo.search.stores.exact import ExactStore

GROWTH = 8
"""How many times as many items are asked for where captions repeat."""

Listed: TypeAlias = Sequence[tuple[int, Hashable]]
"""The best items of a query in order, each with the key of which one item is wanted: its caption, or its own id."""

Again: TypeAlias = Callable[[Sequence[int], Sequence[int], Sequence[frozenset[Hashable]]], Sequence[Listed]]
"""The best items of some queries: their places, how many, and the keys of items that are left out."""


class Distinct(NamedTuple):
    """The best items of distinct keys of one query.

    Attributes:
        items: in order.
        repeats: how many items were passed over for a better one of the same key.
    """

    items: list[int]
    repeats: int


def distinct(first: Sequence[Listed], wanted: Sequence[int], again: Again) -> list[Distinct]:
    """The best items of distinct keys for each query, as many as are wanted; fewer only where there are no more.

    Args:
        first: the best `wanted` items of each query, of any keys.
        wanted: 1 <= each <= `MOST_HITS`.
        again: is asked for more.
    """
    best: list[dict[Hashable, int]] = [{} for _ in wanted]
    seen: list[set[int]] = [set() for _ in wanted]
    most, without = list(wanted), [frozenset[Hashable]()] * len(wanted)
    places, lists = list(range(len(wanted))), first
    while places:
        short = []
        for place, listed in zip(places, lists, strict=True):
            for item, key in listed:
                if len(best[place]) == wanted[place]:
                    break
                seen[place].add(item)
                best[place].setdefault(key, item)
            if len(best[place]) < wanted[place] and len(listed) == most[place]:
                short.append(place)
        for place in short:
            if most[place] == MOST_HITS:
                without[place] = frozenset(best[place])
            most[place] = min(GROWTH * most[place], MOST_HITS)
        places = short
        lists = again(short, [most[place] for place in short], [without[place] for place in short]) if short else ()
    return [Distinct(list(of.values()), len(met) - len(of)) for of, met in zip(best, seen, strict=True)]


def distinct_answers(
    requests: Sequence[Request],
    answers: Mapping[int, Answer],
    sweep: Callable[[list[int], list[Request]], Sequence[Result]],
) -> dict[int, Answer]:
    """The answers to requests whose hits have distinct captions, by place.

    Args:
        requests: all.
        answers: to some of them by place, of any captions.
        sweep: answers other requests about the queries of some places.
    """
    places = list(answers)
    last, hits = dict(answers), dict[tuple[int, int], Hit]()

    def listed(place: int, answer: Answer) -> Listed:
        hits.update(((place, hit.id), hit) for hit in answer.hits)
        return [(hit.id, hit.key) for hit in answer.hits]

    def again(some: Sequence[int], most: Sequence[int], without: Sequence[frozenset[Hashable]]) -> list[Listed]:
        at = [places[each] for each in some]
        captions = [{key for key in keys if isinstance(key, str)} for keys in without]
        asked = [
            requests[place].model_copy(update={"k": k, "without": requests[place].without | left_out})
            for place, k, left_out in zip(at, most, captions, strict=True)
        ]
        lists = []
        for place, answer in zip(at, sweep(at, asked), strict=True):
            assert isinstance(answer, Answer)
            last[place] = replace(answer, guarantee=max(last[place].guarantee, answer.guarantee, key=WEAKER.index))
            lists.append(listed(place, answer))
        return lists

    first = [listed(place, answer) for place, answer in answers.items()]
    found = distinct(first, [requests[place].k for place in places], again)
    return {
        place: replace(last[place], hits=tuple(hits[place, item] for item in of.items), repeats=of.repeats)
        for place, of in zip(places, found, strict=True)
    }


def distinct_items(store: ExactStore, first: Callable[[int], Tensor], k: int) -> Tensor:
    """Ids (at most k,) of the first items of distinct captions; `first` gives the first n ids of all."""
    most = k
    while True:
        ids = first(most)
        named = zip(ids.tolist(), store.labels(ids).captions, strict=True)
        items: dict[str | int, int] = {}
        for item, caption in named:
            items.setdefault(item if caption is None else caption, item)
        if len(items) >= k or len(ids) < most:
            return torch.tensor(list(items.values())[:k], dtype=torch.int64)
        most *= GROWTH


WEAKER = get_args(Guarantee)
"""Guarantees, the weakest last."""
