"""Hits of distinct captions: of items with one caption the best counts.

A search lists its best items. Where these have too few captions it is asked for more, without the items of the captions
that it has: nothing is guessed, so the answer is as exact as the lists are.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor

from hiergeo.search.answers import Answer, Guarantee, Hit
from hiergeo.search.groups import Result
from hiergeo.search.ids import Id
from hiergeo.search.requests import MOST_HITS, Request
from hiergeo.search.stores.exact import ExactStore

GROWTH = 8
"""How many times as many items are asked for where captions repeat."""

Listed: TypeAlias = Sequence[tuple[Id, Hashable]]
"""The best items of a query in order, each with the key of which one item is wanted: its caption, or its own id."""

Again: TypeAlias = Callable[[Sequence[int], Sequence[int], Sequence[frozenset[Hashable]]], Sequence[Listed]]
"""The best items of some queries: their numbers, how many, and the keys of items that are left out."""


class Distinct(NamedTuple):
    """The best items of distinct keys of one query, in order, and how many were passed over for a better one."""

    items: list[Id]
    repeats: int


def distinct(first: Sequence[Listed], wanted: Sequence[int], again: Again) -> list[Distinct]:
    """The best items of distinct keys for each query, as many as are wanted; fewer only where there are no more.

    `first` are the best `wanted` items of each query, of any keys, 1 <= wanted <= `MOST_HITS`; `again` gives more.
    """
    best: list[dict[Hashable, Id]] = [{} for _ in wanted]
    seen: list[set[Id]] = [set() for _ in wanted]
    most, without = list(wanted), [frozenset[Hashable]()] * len(wanted)
    numbers, lists = list(range(len(wanted))), first
    while numbers:
        short = []
        for number, listed in zip(numbers, lists, strict=True):
            for item, key in listed:
                if len(best[number]) == wanted[number]:
                    break
                seen[number].add(item)
                best[number].setdefault(key, item)
            if len(best[number]) < wanted[number] and len(listed) == most[number]:
                short.append(number)
                if most[number] == MOST_HITS:
                    without[number] = frozenset(best[number])
                most[number] = min(GROWTH * most[number], MOST_HITS)
        numbers = short
        lists = again(short, [most[number] for number in short], [without[number] for number in short]) if short else ()
    return [Distinct(list(items.values()), len(met) - len(items)) for items, met in zip(best, seen, strict=True)]


def distinct_answers(
    requests: Sequence[Request],
    answers: Mapping[int, Answer],
    sweep: Callable[[list[int], list[Request]], Sequence[Result]],
) -> dict[int, Answer]:
    """The answers to requests whose hits have distinct captions, by the numbers of the requests.

    `answers` are those of any captions to some of the requests; `sweep` answers other requests about their queries.
    """
    numbers = list(answers)
    last, hits = dict(answers), dict[tuple[int, Id], Hit]()

    def listed(number: int, answer: Answer) -> Listed:
        hits.update(((number, hit.id), hit) for hit in answer.hits)
        return [(hit.id, hit.key) for hit in answer.hits]

    def again(some: Sequence[int], most: Sequence[int], without: Sequence[frozenset[Hashable]]) -> list[Listed]:
        lists = []
        at = [numbers[part] for part in some]
        captions = [{key for key in keys if isinstance(key, str)} for keys in without]
        more = [
            requests[number].model_copy(update={"k": k, "without": requests[number].without | left_out})
            for number, k, left_out in zip(at, most, captions, strict=True)
        ]
        for number, answer in zip(at, sweep(at, more), strict=True):
            assert isinstance(answer, Answer)
            weaker = max(last[number].guarantee, answer.guarantee, key=get_args(Guarantee).index)
            last[number] = replace(answer, guarantee=weaker)
            lists.append(listed(number, answer))
        return lists

    first = [listed(number, answer) for number, answer in answers.items()]
    best = distinct(first, [requests[number].k for number in numbers], again)
    return {
        number: replace(last[number], hits=tuple(hits[number, item] for item in of.items), repeats=of.repeats)
        for number, of in zip(numbers, best, strict=True)
    }


def distinct_items(store: ExactStore, first: Callable[[int], Tensor], k: int) -> Tensor:
    """Ids (at most k,) of the first items of distinct captions; `first` gives the first n ids of all."""
    most = k
    while True:
        ids = first(most)
        items: dict[str | int, int] = {}
        for item, caption in zip(ids.tolist(), store.labels(ids).captions, strict=True):
            items.setdefault(item if caption is None else caption, item)
        if len(items) >= k or len(ids) < most:
            return torch.tensor(list(items.values())[:k], dtype=torch.int64)
        most *= GROWTH
