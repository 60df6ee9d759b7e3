"""The ladder search: the best candidate within every radius threshold, all thresholds in one pass."""

from collections.abc import Callable

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype, wide
from hiergeo.pairwise.checks import check_thresholds

SCORES = 1 << 22
"""Scores alive at once."""

Score = Callable[[slice, Tensor], Tensor]
"""A function of a slice of queries and an index tensor (m,) of candidates, giving scores (n, m)."""


def prefix_best(score: Score, queries: int, radius: Tensor, thresholds: Tensor) -> Tensor:
    """For each query and threshold t the candidate with the largest score among those with radius <= t.

    Candidates are sorted once by the first threshold that admits them; the best within a threshold is the best of its
    own shell or of a smaller threshold, so every score is looked at once however many thresholds there are.

    Args:
        score: function of a slice of queries and an index tensor (m,) of candidates, giving scores (n, m).
        queries: how many queries there are.
        radius: (M,) radii of the candidates.
        thresholds: (T,) ascending.

    Returns:
        (queries, T) int64; -1 where no candidate lies within the threshold. Ties go to the lower index, NaN never wins.

    Raises:
        InputError: thresholds not ascending, or NaN.
    """
    check_thresholds(thresholds)
    return best_within(score, queries, *shells(radius, thresholds))


def shells(radius: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
    """Candidates within the last threshold by the first one that admits them, and how many each admits: (m,), (T,)."""
    common = torch.promote_types(thresholds.dtype, radius.dtype)
    shell = torch.searchsorted(thresholds.to(radius.device, common).contiguous(), radius.to(common).contiguous())
    shell = torch.where(radius.isnan(), len(thresholds), shell)
    ends = torch.cumsum(torch.bincount(shell, minlength=len(thresholds) + 1), 0)[: len(thresholds)]
    order = torch.argsort(shell, stable=True)
    return order[: int(ends[-1]) if len(ends) else 0], ends


def ladder(queries: Tensor, candidates: Tensor, order: Tensor, ends: Tensor) -> Tensor:
    """Arg-max of the cosine within prefixes of `order`: queries (Q, D), candidates (M, D) -> (Q, T) int64."""
    q, c = (torch.nn.functional.normalize(wide(t), dim=-1) for t in (queries, candidates))
    precision = pair_dtype(queries, candidates)
    return best_within(lambda block, index: (q[block] @ c[index].mT).to(precision), len(q), order, ends)


def best_within(score: Score, queries: int, order: Tensor, ends: Tensor) -> Tensor:
    """For each query and each end the candidate with the largest score among `order[:end]`, (queries, T) int64."""
    stops = ends.tolist()
    order = order[: stops[-1] if stops else 0]
    result = torch.full((queries, len(stops)), -1, dtype=torch.int64, device=order.device)
    step = max(1, SCORES // max(1, len(order)))
    for start in range(0, queries, step):
        block = slice(start, min(start + step, queries))
        result[block] = _running_best(score, block, order, stops)
    return result


def _running_best(score: Score, block: slice, order: Tensor, ends: list[int]) -> Tensor:
    rows = block.stop - block.start
    best = torch.full((rows,), -torch.inf, dtype=torch.float64, device=order.device)
    index = torch.full((rows,), -1, dtype=torch.int64, device=order.device)
    columns: list[Tensor] = []
    width = max(1, SCORES // rows)
    for low in range(0, len(order), width):
        candidates = order[low : low + width]
        values = score(block, candidates)
        values = torch.where(values.isnan(), -torch.inf, values)
        high = low + len(candidates)
        begin = low
        while begin < high:
            end = min(high, ends[len(columns)])
            if end > begin:
                value, place = values[:, begin - low : end - low].max(dim=1)
                found = candidates[begin - low + place]
                better = (value > best) | ((value == best) & (found < index))
                best, index = torch.where(better, value.double(), best), torch.where(better, found, index)
            if end == ends[len(columns)]:
                columns.append(index)
            begin = end
    columns += [index] * (len(ends) - len(columns))
    return torch.stack(columns, dim=1) if columns else index.new_empty(rows, 0)
