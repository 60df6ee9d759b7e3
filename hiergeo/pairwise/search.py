"""Searches without an N x M result: counts, members, the best k, ranks and ladders by distance, tile by tile."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype, wide
from hiergeo.pairwise.backend import Factor
from hiergeo.pairwise.prefix import best_within
from hiergeo.pairwise.quantity import Quantity
from hiergeo.pairwise.tiles import Pairs, values
from hiergeo.polar import Polar


def count(factors: Sequence[Factor], quantity: Quantity, reach: Tensor | None) -> Tensor:
    """How many y each x reaches, (B, N) int64: distances <= `reach` (B, N), or margins >= 0; NaN never counts."""
    result = torch.zeros_like(factors[0].x.radius, dtype=torch.int64)
    for b, pairs in enumerate(values(factors, quantity)):
        for i in pairs.rows():
            for _, value in pairs.tiles(i):
                inside = value >= 0 if reach is None else wide(value) <= reach[b, i, None]
                result[b, i] += inside.sum(-1)
    return result


def members(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
    """Which y lie in the cone of each x, B = 1, as CSR: row offsets (N + 1,) and columns, ascending in a row, int64."""
    pairs = Pairs(Polar(x.direction[0], x.radius[0]), Polar(y.direction[0], y.radius[0]), curvature)
    psi = aperture[0].to(pairs.dtype)
    device = pairs.x.radius.device
    counts, columns = [torch.zeros(1, dtype=torch.int64, device=device)], []
    for i in pairs.rows():
        blocks = []
        for tile in pairs.tiles(i):
            row, column = torch.nonzero(tile.triangle.exterior_angle() <= psi[i, None], as_tuple=True)
            blocks.append(torch.stack((row, column + tile.j.start)))
        row, column = torch.cat(blocks, dim=1) if blocks else torch.empty(2, 0, dtype=torch.int64, device=device)
        order = torch.argsort(row, stable=True)
        columns.append(column[order])
        counts.append(torch.bincount(row, minlength=i.stop - i.start))
    return torch.cat(counts).cumsum(0), torch.cat([counts[0][:0], *columns])


def smallest(factors: Sequence[Factor], quantity: Quantity, k: int, swap: bool) -> tuple[Tensor, Tensor]:
    """The k columns of smallest score, per row: scores and indices, (B, N, k).

    Ties go to the lower index. NaN never enters; rows with fewer than k numbers end in NaN with index -1.
    """
    x, y = factors[0].x, factors[0].y
    dtype = pair_dtype(x.direction, y.direction)
    best = torch.full((*x.radius.shape, k), math.inf, dtype=dtype, device=x.radius.device)
    indices = torch.full_like(best, -1, dtype=torch.int64)
    for b, pairs in enumerate(values(factors, quantity, swap)):
        for i in pairs.rows():
            for j, score in pairs.scores(i):
                column = torch.arange(j.start, j.stop, device=score.device).expand(score.shape)
                best[b, i], indices[b, i] = _smallest(
                    torch.cat((best[b, i], score.nan_to_num(nan=math.inf)), dim=1),
                    torch.cat((indices[b, i], column), dim=1),
                    k,
                )
    missing = best == math.inf
    return best.masked_fill(missing, math.nan), indices.masked_fill(missing, -1)


def rank(factors: Sequence[Factor], quantity: Quantity, target: Tensor, swap: bool) -> Tensor:
    """How many columns come before column `target` (B, N) of each row in the order of `smallest`; -1 for NaN."""
    result = torch.zeros_like(target)
    for b, pairs in enumerate(values(factors, quantity, swap)):
        for i in pairs.rows():
            chosen = target[b, i, None]
            own = torch.full_like(chosen, math.nan, dtype=pairs.dtype)
            for j, score in pairs.scores(i):
                found = score.gather(1, (chosen - j.start).clamp(0, score.shape[1] - 1))
                own = torch.where((chosen >= j.start) & (chosen < j.stop), found, own)
            for j, score in pairs.scores(i):
                column = torch.arange(j.start, j.stop, device=score.device)
                result[b, i] += ((score < own) | ((score == own) & (column < chosen))).sum(-1)
            result[b, i] = torch.where(own[:, 0].isnan(), -1, result[b, i])
    return result


def nearest_ladder(factors: Sequence[Factor], quantity: Quantity, order: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """For each x and each end the y of smallest score among `order[:end]`, B = 1: indices (N, T) and scores."""

    def negative(block: slice, index: Tensor) -> Tensor:
        chosen = [
            factor._replace(x=Polar(*(f[:, block] for f in factor.x)), y=Polar(*(f[:, index] for f in factor.y)))
            for factor in factors
        ]
        (pairs,) = values(chosen, quantity)
        return torch.cat([torch.cat([-score for _, score in pairs.scores(i)], 1) for i in pairs.rows()])

    indices, best = best_within(negative, factors[0].x.radius.shape[1], order, ends)
    dtype = pair_dtype(factors[0].x.direction, factors[0].y.direction)
    return indices, -best.to(dtype)


def _smallest(values: Tensor, indices: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The first k of each row in a stable ascending order; columns must be in the order that breaks ties."""
    bound = torch.kthvalue(values, k, dim=1, keepdim=True).values
    below, level = values < bound, values == bound
    room = k - below.sum(1, keepdim=True)
    if bool((level.sum(1, keepdim=True) > room).any()):
        level &= level.cumsum(1) <= room
    kept = torch.nonzero(below | level, as_tuple=True)[1].view(-1, k)
    order = torch.argsort(values.gather(1, kept), dim=1, stable=True)
    kept = kept.gather(1, order)
    return values.gather(1, kept), indices.gather(1, kept)
