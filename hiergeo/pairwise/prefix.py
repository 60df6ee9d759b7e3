"""The ladder search: the best candidate within every radius threshold, all thresholds in one pass."""

from collections.abc import Callable

import torch
from torch import Tensor

from hiergeo.errors import InputError

SCORES = 1 << 22
"""Scores alive at once."""


def prefix_best(score: Callable[[slice, Tensor], Tensor], queries: int, radius: Tensor, thresholds: Tensor) -> Tensor:
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
    if thresholds.ndim != 1 or not bool((thresholds[1:] >= thresholds[:-1]).all()) or bool(thresholds.isnan().any()):
        raise InputError("thresholds must be one ascending list without NaN: sort them first.")
    common = torch.promote_types(thresholds.dtype, radius.dtype)
    shell = torch.searchsorted(thresholds.to(common).contiguous(), radius.to(common).contiguous())
    shell = torch.where(radius.isnan(), len(thresholds), shell)
    order = torch.argsort(shell, stable=True)
    ends = torch.cumsum(torch.bincount(shell, minlength=len(thresholds) + 1), 0)[: len(thresholds)].tolist()
    reached = order[: ends[-1]] if ends else order[:0]

    result = torch.full((queries, len(thresholds)), -1, dtype=torch.int64, device=radius.device)
    step = max(1, SCORES // max(1, len(reached)))
    for start in range(0, queries, step):
        block = slice(start, min(start + step, queries))
        result[block] = _running_best(score, block, reached, ends)
    return result


def _running_best(score: Callable[[slice, Tensor], Tensor], block: slice, order: Tensor, ends: list[int]) -> Tensor:
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
