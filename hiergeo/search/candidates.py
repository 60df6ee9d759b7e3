"""Search through a store: candidates of each shell, scored again by the rows of the index.

The innermost shell is scanned: general items lie there, often at a low cosine with what they entail. Every other shell
is asked for the items whose direction is nearest to the query; they are fetched from the index and scored as in a scan.
A shell that gave a hit is asked for twice as many, until the new ones hold none. What this misses is measured
(`hiergeo.search.recall`).
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError, reason
from hiergeo.geometry import Points
from hiergeo.search.rows import Rows
from hiergeo.search.store import Store
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Best, Matches, Steps, lexicographic, run

FIRST, MOST = 16, 4096
"""Candidates that a shell is asked for at first, and at last."""


def search(task: Best | Steps, home: ExactStore, engine: Store, device: torch.device | str = "cpu") -> int:
    """Answer a task in a space of one factor by candidates of a store; returns how many items were scored.

    The hits are in `task.matches`, as after a scan. The engine holds the items of the index `home`, in the same shells.
    Raises UnavailableError where it does not answer, InputError for a candidate that the index does not hold.
    """
    shells, span, queries = home.describe().shells, task.span, _directions(task.x)
    seen, scored = torch.empty(0, dtype=torch.int64), 0
    asking: dict[int, Tensor] = {}
    for number, shell in enumerate(shells):
        low, high = max(shell.low, span.low), min(shell.high, span.high)
        if not shell.count or low > high:
            continue
        if number and (low, high) == (shell.low, shell.high):
            asking[number] = torch.arange(len(queries))
        else:  # the nearest directions of a shell that is cut may all lie outside of the range
            scored += sum(run(home.scan(low, high), [task], device))
    before, k = 0, FIRST
    while asking and k <= MOST:
        lists = {
            number: engine.candidates(queries[rows], number, min(k, shells[number].count))
            for number, rows in asking.items()
        }
        ids = torch.cat([candidates.flatten() for candidates in lists.values()]).unique()
        fresh = ids[(ids >= 0) & ~torch.isin(ids, seen)]
        rows, seen = _fetched(home, engine, fresh), torch.cat([seen, fresh])
        ordered = rows.take(lexicographic(rows.radii[:, 0].double(), rows.ids))
        scored += sum(run([ordered], [task], device))
        asking = {
            number: rows[_unsettled(task, lists[number][:, before:], rows)]
            for number, rows in asking.items()
            if k < shells[number].count
        }
        asking = {number: rows for number, rows in asking.items() if len(rows)}
        before, k = k, 2 * k
    return scored


def _directions(x: Points) -> Tensor:
    """Unit directions (Q, D) float32 of queries; at the root every direction is as good as any."""
    ray = x.factors[0].direction.double().cpu()
    ray[ray.abs().amax(1) == 0, 0] = 1.0
    return normalize(ray, dim=1).float()


def _fetched(home: ExactStore, engine: Store, ids: Tensor) -> Rows:
    try:
        return home.fetch(ids)
    except InputError as error:
        name = engine.describe().name
        raise InputError(f"{name} is not up to date ({reason(error)}): push the index again.") from error


def _unsettled(task: Best | Steps, new: Tensor, rows: Tensor) -> Tensor:
    """Which queries `rows` (n,) have a hit among new candidates (n, m) of a shell, or too few hits, (n,) bool."""
    best: Matches | None = task.matches
    if best is None:
        return torch.ones(len(rows), dtype=torch.bool)
    hits = best.ids[rows]
    ids = torch.cat([new.flatten(), hits.flatten()]).unique()
    row = torch.arange(len(rows)).unsqueeze(1) * len(ids)  # a hit of one query is none of another
    hit = torch.isin(row + torch.searchsorted(ids, new.contiguous()), row + torch.searchsorted(ids, hits.contiguous()))
    short = (hits[:, -1] < 0) if isinstance(task, Best) else torch.zeros(len(rows), dtype=torch.bool)
    return (hit & (new >= 0)).any(1) | short
