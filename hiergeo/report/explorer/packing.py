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
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hiergeo.evaluation.auditing.population import Ids
from hiergeo.report.explorer.answers import changes
from hiergeo.report.explorer.collection import Lens
from hiergeo.search import Answer, Climb, Hit, Item, Request
from hiergeo.search.requests import KINDS, fitting

CHUNK = 512
"""Items whose answers are in one file."""

K = 10
"""Hits of children, parents and neighbours."""

STEPS = 50
"""Thresholds of a ladder."""

NOBODY = 0xFFFF
"""The row of a hit that is not there."""

MOST = 50_000
"""Items of a page without a server: their rows fit 16 bits, and its files 150 MB."""

OPTIONS = {"k": K, "thresholds": STEPS, "strict": True}
"""The options of the searches whose answers are packed."""


def packed_answers(lens: Lens, ids: Ids) -> Iterator[bytes]:
    """The files of answers about all items of a lens, ids (n,) ascending, n <= `MOST`."""
    rows = {item: row for row, item in enumerate(ids.tolist())}
    for start in range(0, len(ids), CHUNK):
        queries = list(map(Item, ids[start : start + CHUNK].tolist()))
        requests = [
            Request(kind, query, space=lens.space, **cast(Any, fitting(kind, OPTIONS)))
            for kind in KINDS
            for query in queries
        ]
        results: list[Any] = lens.index.search(requests)
        *lists, climbs, counts = (results[at : at + len(queries)] for at in range(0, len(results), len(queries)))
        yield _packed(lists, climbs, counts, rows)


def _packed(
    lists: Sequence[Sequence[Answer]], climbs: Sequence[Climb], counts: Sequence[int], rows: Mapping[int, int]
) -> bytes:
    numbers = np.full((3, 3, len(counts), K), np.nan, "<f4")
    hits = np.full((3, len(counts), K), NOBODY, "<u2")
    for side, answers in enumerate(lists):
        for query, answer in enumerate(answers):
            for rank, hit in enumerate(answer.hits):
                numbers[side, :, query, rank] = _numbers(hit)
                hits[side, query, rank] = rows[hit.id]
    ladders = [changes(climb.rungs) for climb in climbs]
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
