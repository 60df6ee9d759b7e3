"""Search through a store: candidates of each shell, scored exactly by the rows of the index, until a bound closes it.

The innermost shell is scanned. Every other one is asked for the items whose direction is nearest to the query; they are
fetched from the index and scored by the same tasks as in a scan. What a shell can still hold is bounded by the cosine
of its last candidate (`hiergeo.search.bounds`). While that could belong in the answer the shell is asked for twice as
many.
"""

import math
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo.search.bounds import DISTANCE_ERROR, least_cost, least_distance
from hiergeo.search.rows import Rows
from hiergeo.search.store import Candidates, Store, StoreFacts
from hiergeo.search.stores.exact import ExactStore
from hiergeo.search.sweep import Best, Found, Steps, lexicographic, run


class Certification(NamedTuple):
    """Whether nothing better than the hits of each query can exist, (Q,) bool, and how many items were scored."""

    certified: Tensor
    scored: int


def search(
    task: Best | Steps,
    home: ExactStore,
    engine: Store,
    first: int = 16,
    most: int = 4096,
    facts: StoreFacts | None = None,
    device: torch.device | str = "cpu",
) -> Certification:
    """Answer a task by candidates of a store; the hits are in `task.found`, as after a scan.

    Args:
        task: in a space of one factor.
        home: the index, which has the rows of all items.
        engine: a store that holds them too, with the same shells.
        first: candidates that a shell is asked for at first.
        most: candidates at last; a shell that is still open then leaves the answer approximate.
        facts: what the store says of itself, if it was asked already.
        device: where rows are scored.

    Raises:
        UnavailableError: a shell that did not give its candidates, twice.
        InputError: a candidate that the index does not hold.
    """
    return _Search(task, home, engine, facts or engine.describe(), device).run(first, most)


@final
class _Search:
    """One search: what each shell has been asked for by each query, and what it may still hold.

    Attributes:
        opening: (Q, S), 1 - cos of the angle to the query is at least this for items that were not seen.
        exhausted: (Q, S), whether all items of the shell were scored.
        trusted: (Q,), whether candidates came in order and with their true cosine.
    """

    def __init__(
        self, task: Best | Steps, home: ExactStore, engine: Store, facts: StoreFacts, device: torch.device | str
    ) -> None:
        self.task, self.home, self.engine, self.device = task, home, engine, device
        self.facts, self.shells = facts, home.describe().shells
        point = task.x.factors[0]
        ray = point.direction.double().cpu()
        ray[ray.abs().amax(1) == 0, 0] = 1.0  # at the root every direction is as good as any
        self.queries = normalize(ray, dim=1).float()
        self.radius = point.radius.double().cpu()
        (factor, _), *_ = task.space.geometry.parts(task.x.dim)
        self.curvature = float(factor.curvature)
        shape = len(self.queries), len(self.shells)
        self.opening = torch.zeros(shape, dtype=torch.float64)
        self.exhausted = torch.zeros(shape, dtype=torch.bool)
        self.trusted = torch.ones(shape[0], dtype=torch.bool)
        self.seen = torch.empty(0, dtype=torch.int64)
        self.scored = 0

    def run(self, few: int, most: int) -> Certification:
        core, span = self.shells[0], self.task.span
        low, high = max(core.low, span.low), min(core.high, span.high)
        if core.count and low <= high:
            self.scored += sum(run(self.home.scan(low, high), [self.task], self.device))
        self.exhausted[:, 0] = True
        k = few
        while True:
            still = self._open() & ~self.exhausted
            if k > most or not bool(still.any()):
                break
            self._ask(still, k)
            k *= 2
        certified = ~still.any(1) & self.trusted & self.facts.exhaustive
        return Certification(certified, self.scored)

    def _ask(self, still: Tensor, k: int) -> None:
        """Score the best k of every shell that is open for a query; all of them are fetched and scored at once."""
        answers: list[tuple[int, Tensor, Candidates]] = []
        for shell in still.any(0).nonzero()[:, 0].tolist():
            queries = still[:, shell].nonzero()[:, 0]
            answers.append((shell, queries, self._candidates(queries, shell, min(k, self.shells[shell].count))))
        ids = torch.cat([found.ids.unique() for _, _, found in answers]).unique()
        rows = self._fetched(ids)
        fresh = rows.take(~torch.isin(ids, self.seen))
        radius = fresh.radii[:, 0].double()
        self.scored += sum(run([fresh.take(lexicographic(radius, fresh.ids))], [self.task], self.device))
        self.seen = torch.cat([self.seen, fresh.ids])
        for shell, queries, found in answers:
            self._learn(queries, shell, found, rows)

    def _candidates(self, queries: Tensor, shell: int, k: int) -> Candidates:
        """Candidates of one shell, asked for again where there is something wrong with them."""
        problem: str | None = None
        for _ in range(2):
            try:
                found = self.engine.candidates(self.queries[queries], shell, k)
                problem = _defect(found, len(queries), k)
            except UnavailableError as error:
                problem = reason(error)
            if problem is None:
                return found
        raise UnavailableError(
            f"{self.facts.name} gave no answer for shell {shell}: {problem}; check it, and push the index to it again."
        )

    def _fetched(self, ids: Tensor) -> Rows:
        try:
            return self.home.fetch(ids)
        except InputError as error:
            raise InputError(f"{self.facts.name} is not up to date ({reason(error)}): push the index again.") from error

    def _learn(self, queries: Tensor, shell: int, found: Candidates, rows: Rows) -> None:
        """Note how far from the queries (n,) the items of a shell are that were not seen."""
        expected, place = self.shells[shell], torch.searchsorted(rows.ids, found.ids)
        radius = rows.radii[place, 0]
        outside = (radius < expected.low) | (radius > expected.high)
        if bool(outside.any()):
            raise InputError(
                f"{self.facts.name} holds the item {int(found.ids[outside][0])} in another shell: push the index again."
            )
        error, cosine = self.facts.cosine_error, found.cosine.double()
        last = normalize(rows.direction[place[:, -1]].double(), dim=1)
        true = (self.queries[queries].double() * last).sum(1)
        self.trusted[queries] &= (cosine.diff() <= error).all(1) & ((cosine[:, -1] - true).abs() <= error)
        self.opening[queries, shell] = (1 - torch.maximum(cosine[:, -1], true) - error).clamp(0, 2)
        self.exhausted[queries, shell] = found.ids.shape[1] >= expected.count

    def _open(self) -> Tensor:
        """Which shells may still hold something that belongs in the answer of a query, (Q, S)."""
        span, inside = self.task.span, [shell for shell in self.shells if shell.count]
        low = torch.tensor([max(shell.low, span.low) for shell in inside], dtype=torch.float64)
        high = torch.tensor([min(shell.high, span.high) for shell in inside], dtype=torch.float64)
        if self.curvature > 0:
            high = high.clamp_max(math.pi / math.sqrt(self.curvature))
        places = torch.tensor([shell.count > 0 for shell in self.shells]).nonzero()[:, 0]
        places, low, high = places[low <= high], low[low <= high], high[low <= high]
        still = torch.zeros_like(self.exhausted)
        if self.task.found is None:
            still[:, places] = True
        elif isinstance(self.task, Best):
            still[:, places] = self._hits(self.task, self.task.found, low, high, self.opening[:, places])
        else:
            still[:, places] = self._rungs(self.task, self.task.found, low, high, self.opening[:, places])
        return still

    def _hits(self, task: Best, found: Found, low: Tensor, high: Tensor, opening: Tensor) -> Tensor:
        """Whether an item of shells (S,) can be among the k best, (Q, S)."""
        worst = torch.where(found.values.isnan(), torch.inf, -found.values if task.by == "margin" else found.values)
        least = task.space.min_radius if task.min_radius is None else task.min_radius
        cost = least_cost(self.radius[:, None], low, high, opening, self.curvature, task.by, task.side, least)
        return ~(cost > worst[:, -1:])

    def _rungs(self, task: Steps, found: Found, low: Tensor, high: Tensor, opening: Tensor) -> Tensor:
        """Whether an item of shells (S,) can be on a rung, (Q, S): one that cuts the shell, or the first beyond it."""
        levels = task.thresholds.double().cpu()
        start, stop = torch.searchsorted(levels, low), torch.searchsorted(levels, high).add(1).clamp_max(len(levels))
        shell = torch.arange(len(low)).repeat_interleave(stop - start)
        rung = torch.cat([torch.arange(a, b) for a, b in zip(start.tolist(), stop.tolist(), strict=True)])
        values = torch.where(found.values.isnan(), torch.inf, found.values)[:, rung]
        top = torch.minimum(levels[rung], high[shell])
        bound = least_distance(self.radius[:, None], low[shell], top, opening[:, shell], self.curvature)
        possible = ~(bound * (1 - DISTANCE_ERROR) > values)
        return torch.zeros(opening.shape, dtype=torch.int64).index_add_(1, shell, possible.long()) > 0


def _defect(found: Candidates, queries: int, k: int) -> str | None:
    """What is wrong with the candidates of a shell that holds k items or more; None where nothing is."""
    if found.ids.shape != (queries, k) or found.cosine.shape != (queries, k):
        return f"candidates have the shape {tuple(found.ids.shape)}, not {(queries, k)}"
    fewest = int((found.ids >= 0).sum(1).min())
    if fewest < k:
        return f"it returned {fewest} of {k} items"
    ordered = found.ids.sort(1).values
    if bool((ordered.diff() == 0).any()):
        return "it returned an item twice"
    if not bool(found.cosine.isfinite().all()):
        return "it returned items without their cosine"
    return None
