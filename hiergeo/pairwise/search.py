"""Cone membership without an N x M result: counts, members and the best k, tile by tile."""

import math

import torch
from torch import Tensor

from hiergeo.pairwise.tiles import Pairs


def count(pairs: Pairs, aperture: Tensor) -> Tensor:
    """How many y lie in the cone of each x, (N,) int64; pairs with NaN are never counted."""
    result = torch.zeros(len(pairs.x.radius), dtype=torch.int64, device=pairs.x.radius.device)
    for i in pairs.rows():
        for tile in pairs.tiles(i):
            result[i] += (tile.triangle.exterior_angle() <= aperture[i, None]).sum(-1)
    return result


def members(pairs: Pairs, aperture: Tensor) -> tuple[Tensor, Tensor]:
    """Which y lie in the cone of each x, as CSR: row offsets (N + 1,) and columns, ascending in every row, int64."""
    device = pairs.x.radius.device
    counts, columns = [torch.zeros(1, dtype=torch.int64, device=device)], []
    for i in pairs.rows():
        blocks = []
        for tile in pairs.tiles(i):
            row, column = torch.nonzero(tile.triangle.exterior_angle() <= aperture[i, None], as_tuple=True)
            blocks.append(torch.stack((row, column + tile.j.start)))
        row, column = torch.cat(blocks, dim=1) if blocks else torch.empty(2, 0, dtype=torch.int64, device=device)
        order = torch.argsort(row, stable=True)
        columns.append(column[order])
        counts.append(torch.bincount(row, minlength=i.stop - i.start))
    return torch.cat(counts).cumsum(0), torch.cat([counts[0][:0], *columns])


def smallest(pairs: Pairs, offset: Tensor | None, k: int) -> tuple[Tensor, Tensor]:
    """The k columns with the smallest exterior angle less `offset` (M,), per row: values ascending and indices, (N, k).

    Ties go to the lower index. NaN never enters; rows with fewer than k numbers end in NaN with index -1.
    """
    n, device = len(pairs.x.radius), pairs.x.radius.device
    values = torch.full((n, k), math.inf, dtype=pairs.dtype, device=device)
    indices = torch.full((n, k), -1, dtype=torch.int64, device=device)
    for i in pairs.rows():
        for tile in pairs.tiles(i):
            score = tile.triangle.exterior_angle()
            if offset is not None:
                score = score - offset[None, tile.j]
            score = score.nan_to_num(nan=math.inf)
            column = torch.arange(tile.j.start, tile.j.stop, device=device).expand(score.shape)
            values[i], indices[i] = _smallest(
                torch.cat((values[i], score), dim=1), torch.cat((indices[i], column), dim=1), k
            )
    return values.masked_fill(values == math.inf, math.nan), indices


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
