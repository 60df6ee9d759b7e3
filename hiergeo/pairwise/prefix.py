"""The ladder search: the best candidate within every radius threshold, all thresholds in one pass."""

from collections.abc import Callable

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype, wide, widest
from hiergeo.pairwise.search_checks import check_thresholds

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
    return best_within(score, queries, *shells(radius, thresholds))[0]


def admitted(radius: Tensor, thresholds: Tensor, order: Tensor | None) -> tuple[Tensor, Tensor]:
    """Candidates within the last threshold, smallest radius first, and how many each threshold admits: (m,), (T,).

    `order` is the order of the radii where it is known, NaN last; else, or for integers, `shells` finds one.
    """
    if order is None or not radius.is_floating_point():
        return shells(radius, thresholds)
    floor = thresholds.to(radius)
    floor = torch.where(floor > thresholds, torch.nextafter(floor, floor.new_tensor(-torch.inf)), floor)
    ends = torch.searchsorted(radius.contiguous(), floor.contiguous(), right=True, sorter=order.contiguous())
    ends = ends.clamp_max(len(radius) - int(radius.isnan().sum()))
    return order[: int(ends[-1]) if len(ends) else 0], ends


def shells(radius: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
    """Candidates within the last threshold by the first one that admits them, and how many each admits: (m,), (T,)."""
    common = torch.promote_types(thresholds.dtype, radius.dtype)
    shell = torch.searchsorted(thresholds.to(radius.device, common).contiguous(), radius.to(common).contiguous())
    shell = torch.where(radius.isnan(), len(thresholds), shell)
    ends = torch.cumsum(torch.bincount(shell, minlength=len(thresholds) + 1), 0)[: len(thresholds)]
    order = torch.argsort(shell, stable=True)
    return order[: int(ends[-1]) if len(ends) else 0], ends


def ladder(
    queries: Tensor, candidates: Tensor, norms: Tensor | None, order: Tensor, ends: Tensor
) -> tuple[Tensor, Tensor]:
    """Arg-max of the cosine within prefixes of `order`: queries (Q, D), candidates (M, D) -> (Q, T) int64, cosines."""
    q, c = (torch.nn.functional.normalize(wide(queries), dim=-1), wide(candidates))
    lengths = torch.linalg.vector_norm(c, dim=-1) if norms is None else wide(norms)
    c = c / torch.where(lengths == 0, 1.0, lengths).unsqueeze(-1)
    precision = pair_dtype(queries, candidates)
    indices, cosines = best_within(lambda block, index: (q[block] @ c[index].mT).to(precision), len(q), order, ends)
    return indices, cosines.to(precision)


def best_within(score: Score, queries: int, order: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """For each query and each end the candidate with the largest score among `order[:end]`.

    Indices (queries, T) int64, -1 where no score is a number, and the scores, float64, NaN there.
    """
    stops = ends.tolist()
    order = order[: stops[-1] if stops else 0]
    indices = torch.full((queries, len(stops)), -1, dtype=torch.int64, device=order.device)
    scores = torch.full_like(indices, torch.nan, dtype=widest(order.device))
    step = max(1, SCORES // max(1, len(order)))
    for start in range(0, queries, step):
        block = slice(start, min(start + step, queries))
        indices[block], scores[block] = _running_best(score, block, order, stops)
    return indices, scores.masked_fill(indices < 0, torch.nan)


def _running_best(score: Score, block: slice, order: Tensor, ends: list[int]) -> tuple[Tensor, Tensor]:
    rows = block.stop - block.start
    best = torch.full((rows,), -torch.inf, dtype=widest(order.device), device=order.device)
    index = torch.full((rows,), -1, dtype=torch.int64, device=order.device)
    settled: list[tuple[Tensor, Tensor]] = []
    width = max(1, SCORES // rows)
    for low in range(0, len(order), width):
        candidates = order[low : low + width]
        values = score(block, candidates)
        values = torch.where(values.isnan(), -torch.inf, values)
        high = low + len(candidates)
        begin = low
        while begin < high:
            end = min(high, ends[len(settled)])
            if end > begin:
                value, place = _first_largest(values[:, begin - low : end - low], candidates[begin - low : end - low])
                better = (value > best) | ((value == best) & (place < index))
                best, index = torch.where(better, wide(value), best), torch.where(better, place, index)
            if end == ends[len(settled)]:
                settled.append((index, best))
            begin = end
    settled += [(index, best)] * (len(ends) - len(settled))
    if not settled:
        return index.new_empty(rows, 0), best.new_empty(rows, 0)
    indices, scores = (torch.stack(column, dim=1) for column in zip(*settled, strict=True))
    return indices, scores


def _first_largest(values: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """The largest value of each row and the lowest of the candidates that have it."""
    value = values.amax(1)
    found = torch.where(values == value.unsqueeze(1), candidates, torch.iinfo(torch.int64).max)
    return value, found.amin(1)
