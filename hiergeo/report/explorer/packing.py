"""Answers about every item of a lens, found beforehand and packed for a page without a server.

A file of answers holds those of up to `CHUNK` consecutive items. All numbers are little endian, one array after the
other; n items, k hits, R rungs of all ladders together:

| array | type | what |
|---|---|---|
| head | uint32 (3,) | n, k, R |
| counts | uint32 (n,) | items that the item entails |
| children, parents, neighbours | float32 (3, n, k) each | angles, distances, margins |
| ladders | float32 (5, R) | angles, distances, margins, first and last thresholds |
| first | uint32 (n + 1,) | the rungs of item i are those from first[i] to first[i + 1] |
| hits | uint16 (3, n, k) | rows of the hits; 65,535 where there are fewer |
| rungs | uint16 (R,) | rows of the items of the rungs |

A row is that of an item among all, in ascending order of ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiergeo.evaluation.auditing.population import Ids
from hiergeo.geometry.space import Side
from hiergeo.report.explorer.collection import Lens
from hiergeo.search import Answer, Climb, Hit, Item, Request
from hiergeo.search.sweep import RadiusRange

CHUNK = 512
"""Items whose answers are in one file."""

K = 10
"""Hits of children, parents and neighbours."""

STEPS = 50
"""Thresholds of a ladder."""

SIDES: tuple[Side, ...] = ("children", "parents")
"""What is more specific than an item, and more general."""

NOBODY = 0xFFFF
"""The row of a hit that is not there."""

MOST = 50_000
"""Items of a page without a server: their rows fit 16 bits, and its files 150 MB."""

WIDE = 3 * K
"""Items of any radius that are looked through for the hits above or below an item."""


def packed_answers(lens: Lens, ids: Ids) -> Iterator[bytes]:
    """The files of answers about all items of a lens, ids (n,) ascending, n <= `MOST`."""
    rows = {item: row for row, item in enumerate(ids.tolist())}
    search, space = lens.index.search, lens.space
    for start in range(0, len(ids), CHUNK):
        queries = list(map(Item, ids[start : start + CHUNK].tolist()))
        nearest: list[Any] = search([Request("neighbours", query, space=space, k=K) for query in queries])
        climbs: list[Any] = search([Request("ladder", query, space=space, thresholds=STEPS) for query in queries])
        counts: list[Any] = search([Request("count", query, space=space) for query in queries])
        lists = [*(_strict(lens, side, queries) for side in SIDES), [answer.hits for answer in nearest]]
        yield _packed(lists, climbs, counts, rows)


def _strict(lens: Lens, side: Side, queries: Sequence[Item]) -> list[Sequence[Hit]]:
    """The hits of strict searches for children or parents.

    Each has radii of its own, and would be a pass of its own: one pass for all, of any radius, holds the hits of nearly
    all; the others are searched for one by one.
    """
    answers: list[Any] = lens.index.search(
        [Request(side, query, space=lens.space, k=WIDE, distinct=False) for query in queries]
    )
    hits = [_first(side, answer) for answer in answers]
    few = [at for at, answer in enumerate(answers) if len(hits[at]) < K and len(answer.hits) == WIDE]
    again: list[Any] = lens.index.search([Request(side, queries[at], space=lens.space, k=K, strict=True) for at in few])
    for at, answer in zip(few, again, strict=True):
        hits[at] = answer.hits
    return hits


def _first(side: Side, answer: Answer) -> Sequence[Hit]:
    """The first `K` hits on a side of the query, of each caption the first."""
    span, seen = RadiusRange.strict(side, answer.radius), dict[Any, Hit]()
    for hit in answer.hits:
        if span.low <= hit.radius <= span.high:
            seen.setdefault(hit.id if hit.caption is None else hit.caption, hit)
    return [*seen.values()][:K]


def _packed(
    lists: Sequence[Sequence[Sequence[Hit]]], climbs: Sequence[Climb], counts: Sequence[int], rows: Mapping[int, int]
) -> bytes:
    numbers = np.full((3, 3, len(counts), K), np.nan, "<f4")
    hits = np.full((3, len(counts), K), NOBODY, "<u2")
    for side, answers in enumerate(lists):
        for query, answer in enumerate(answers):
            for rank, hit in enumerate(answer):
                numbers[side, :, query, rank] = _numbers(hit)
                hits[side, query, rank] = rows[hit.id]
    ladders = [climb.stays for climb in climbs]
    first = [0, *accumulate(map(len, ladders))]
    rungs = [rung for ladder in ladders for rung in ladder]
    steps = np.array([(*_numbers(hit), low, high) for low, high, hit in rungs], "<f4").reshape(-1, 5)
    arrays: list[NDArray[Any]] = [
        np.array([len(counts), K, len(rungs)], "<u4"),
        np.array(counts, "<u4"),
        numbers,
        steps.T,
        np.array(first, "<u4"),
        hits,
        np.array([rows[hit.id] for *_, hit in rungs], "<u2"),
    ]
    return b"".join(array.tobytes() for array in arrays)


def _numbers(hit: Hit) -> tuple[float, float, float]:
    return hit.angle, hit.distance, hit.margin
