"""The pair operations in plain PyTorch: the specification, the oracle of every kernel, and the fallback without one.

A `PairBackend`. Memory is O((N + M) D) beside the result, forward and backward: tiles
are recomputed, never kept.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hiergeo._core.numerics import pair_dtype, wide, widest
from hiergeo._core.polar import Polar, part_of
from hiergeo.pairwise.interface import Factor, Gradients, LogitTerms
from hiergeo.pairwise.quantity import ENERGY as CONE
from hiergeo.pairwise.quantity import QUANTITIES, Quantity, hinge
from hiergeo.pairwise.tiles import GradientSums, TiledPairs, of_batch, problems, values


def store(factors: Sequence[Factor], quantity: Quantity, out: Tensor) -> None:
    """Write `quantity` of every pair to `out` (B, N, M)."""
    for b, pairs in enumerate(values(factors, quantity)):
        for i in pairs.rows():
            for j, value in pairs.tiles(i):
                out[b, i, j] = value


def backward(
    upstream: Tensor, x: Polar, y: Polar, curvature: float, quantity: Quantity, aperture: Tensor | None
) -> Gradients:
    """Gradients of the sum of `upstream` (B, N, M) times `quantity`."""
    sums = GradientSums(x, y, aperture)
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = None if aperture is None else aperture[b].to(pairs.dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                weight = torch.where(sums.pairs(b, tile), wide(upstream[b, tile.i, tile.j]), 0.0)
                if quantity.cone is not None and psi is not None:
                    weight = weight * quantity.cone.slope(quantity.law(tile.triangle), psi[i, None])
                    sums.aperture[b, i] -= weight.sum(-1)
                sums.add(b, tile, weight, quantity.partials(tile.triangle))
    return sums.gradients()


ENERGY = QUANTITIES["energy"]


def energy_sum(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> Tensor:
    """Sum over y of max(0, Xi - aperture), (B, N) float64."""
    total = torch.zeros_like(wide(x.radius))
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = aperture[b].to(pairs.dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                total[b, i] += wide(ENERGY.value(tile.triangle, psi[i, None])).sum(-1)
    return total


def energy_total(
    x: Polar, y: Polar, curvature: float, aperture: Tensor, margin: float | None, gradients: bool
) -> tuple[Tensor, Gradients | None]:
    """Sum over all pairs of the energy, or of max(0, margin - energy), (B,) float64, and its gradients if wanted."""
    cone = CONE if margin is None else hinge(margin)
    total = wide(x.radius).new_zeros(len(x.radius))
    sums = GradientSums(x, y, aperture) if gradients else None
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = aperture[b].to(pairs.dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                angle = tile.triangle.exterior_angle()
                total[b] += wide(cone.value(angle, psi[i, None])).sum()
                if sums is not None:
                    slope = wide(cone.slope(angle, psi[i, None]))
                    sums.add_cone(b, tile, torch.where(sums.pairs(b, tile), slope, 0.0))
    return total, None if sums is None else sums.gradients()


def energy_min(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
    """Least max(0, Xi - aperture) over y, (B, N), and its lowest index; NaN and -1 where all pairs are NaN."""
    dtype = pair_dtype(x.direction, y.direction)
    values = torch.full_like(x.radius, math.inf, dtype=dtype)
    indices = torch.full_like(x.radius, -1, dtype=torch.int64)
    for b, pairs in enumerate(problems(x, y, curvature)):
        psi = aperture[b].to(dtype)
        for i in pairs.rows():
            for tile in pairs.tiles(i):
                energy = ENERGY.value(tile.triangle, psi[i, None]).nan_to_num(nan=math.inf)
                least = energy.amin(-1)
                column = torch.arange(tile.j.start, tile.j.stop, device=energy.device)
                first = torch.where(energy == least.unsqueeze(-1), column, tile.j.stop).amin(-1)
                better = least < values[b, i]
                values[b, i] = torch.where(better, least, values[b, i])
                indices[b, i] = torch.where(better, first, indices[b, i])
    return values.masked_fill(indices < 0, math.nan), indices


def contrast(factors: Sequence[Factor], quantity: Quantity, terms: LogitTerms) -> None:
    """No kernel: `logits` reduces blocks of stored distances."""


def contrast_backward(
    factors: Sequence[Factor], terms: LogitTerms, found: Sequence[Tensor], upstream: Sequence[Tensor]
) -> None:
    """No kernel: `logits` forms blocks of weights."""


def weigh(items: Tensor, positive: Tensor, negative: Tensor, precision: bool, chance: float) -> None:
    """No kernel: a `Ranking` evaluates one weight after the other."""


def count(factors: Sequence[Factor], quantity: Quantity, reach: Tensor | None) -> Tensor:
    """How many y each x reaches, (B, N) int64: distances <= `reach` (B, N), or margins >= 0; NaN is excluded."""
    result = torch.zeros_like(factors[0].x.radius, dtype=torch.int64)
    for b, pairs in enumerate(values(factors, quantity)):
        for i in pairs.rows():
            for _, value in pairs.tiles(i):
                inside = value >= 0 if reach is None else wide(value) <= reach[b, i, None]
                result[b, i] += inside.sum(-1)
    return result


def members(x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
    """Which y lie in the cone of each x, B = 1, as CSR: row offsets (N + 1,) and columns, ascending in a row, int64."""
    pairs = TiledPairs(of_batch(x, 0), of_batch(y, 0), curvature)
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


def shadow(point: Polar, curvature: float) -> None:
    """None: nothing here is faster in 8 bits."""


def smallest(factors: Sequence[Factor], quantity: Quantity, k: int, swap: bool) -> tuple[Tensor, Tensor]:
    """The k columns of smallest score, per row: scores and indices, (B, N, k).

    Ties go to the lower index. Pairs with NaN are excluded; rows with fewer than k others end in NaN with index -1.
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
        chosen = [factor._replace(x=part_of(factor.x, block), y=part_of(factor.y, index)) for factor in factors]
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


SCORES = 1 << 22
"""Scores that are held in memory at a time."""

Score = Callable[[slice, Tensor], Tensor]
"""A function of a slice of queries and an index tensor (m,) of candidates, giving scores (n, m)."""


def admitted(radius: Tensor, thresholds: Tensor, order: Tensor | None) -> tuple[Tensor, Tensor]:
    """Candidates within the last threshold, smallest radius first, and how many each threshold admits: (m,), (T,).

    `order` is the order of the radii where it is known, NaN last; else, or for integers, `shells` finds one.
    """
    if order is None or not radius.is_floating_point():
        return shells(radius, thresholds)
    thresholds = thresholds.to(radius.device)
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

    Indices (queries, T) int64, -1 where all scores are NaN, and the scores, float64, NaN there.
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
