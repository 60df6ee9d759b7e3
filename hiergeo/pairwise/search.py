"""Cone membership without an N x M result: counts, members and the best k, tile by tile."""

import math

import torch
from torch import Tensor

from hiergeo._numerics import pair_dtype
from hiergeo.pairwise.tiles import Pairs, problems
from hiergeo.polar import Polar


def count(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> Tensor:
    """How many y lie in the cone of each x, (B, N) int64; pairs with NaN are never counted."""
    result = torch.zeros_like(x.radius, dtype=torch.int64)
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = aperture[b].to(pairs.dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                result[b, i] += (tile.triangle.exterior_angle() <= psi[i, None]).sum(-1)
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


def smallest(x: Polar, y: Polar, curvature: float, offset: Tensor | None, k: int, swap: bool) -> tuple[Tensor, Tensor]:
    """The k columns with the smallest exterior angle less `offset` (B, M), per row: values and indices, (B, N, k).

    Ties go to the lower index. NaN never enters; rows with fewer than k numbers end in NaN with index -1.
    """
    dtype = pair_dtype(x.direction, y.direction)
    values = torch.full((*x.radius.shape, k), math.inf, dtype=dtype, device=x.radius.device)
    indices = torch.full_like(values, -1, dtype=torch.int64)
    for b, pairs in enumerate(problems(x, y, curvature, swap)):
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                score = _score(tile.triangle.exterior_angle(), offset, b, tile.j)
                column = torch.arange(tile.j.start, tile.j.stop, device=score.device).expand(score.shape)
                values[b, i], indices[b, i] = _smallest(
                    torch.cat((values[b, i], score), dim=1), torch.cat((indices[b, i], column), dim=1), k
                )
    return values.masked_fill(values == math.inf, math.nan), indices


def _score(angle: Tensor, offset: Tensor | None, b: int, columns: slice) -> Tensor:
    score = angle if offset is None else angle - offset[b, columns].to(angle.dtype)
    return score.nan_to_num(nan=math.inf)


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
