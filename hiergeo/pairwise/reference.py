"""The pair operations in plain PyTorch, a tile at a time; in float64 the specification, and the oracle of kernels."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from hiergeo._core.numerics import WAITED_FOR, pair_dtype, wide, widest
from hiergeo._core.polar import Polar, part_of
from hiergeo.pairwise.interface import Factor, Gradients, LogitTerms
from hiergeo.pairwise.logits import Contrast, contrasted
from hiergeo.pairwise.quantity import ENERGY as CONE
from hiergeo.pairwise.quantity import QUANTITIES, Quantity, hinge
from hiergeo.pairwise.tiles import Measure, of_batch

ENERGY = QUANTITIES["energy"]

Result = TypeVar("Result")


class TileBackend:
    """The pair operations, a tile of pairs at a time. Memory is O((N + M) D) beside the result, forward and backward.

    Args:
        measure: how the pairs of some factors are measured.
    """

    def __init__(self, measure: Callable[[Sequence[Factor]], Measure]) -> None:
        self._measure = measure

    def _settled(self, work: Callable[[Measure], Result], factors: Sequence[Factor]) -> Result:
        """The result of `work` once no pair is left out."""
        measure = self._measure(factors)
        while True:
            result = work(measure)
            if measure.is_settled():
                return result

    def store(self, factors: Sequence[Factor], quantity: Quantity, out: Tensor) -> None:
        """Write `quantity` of every pair to `out` (B, N, M)."""

        def work(measure: Measure) -> None:
            for b, pairs in enumerate(measure.values(factors, quantity)):
                for i in pairs.rows():
                    pairs.write(i, out[b, i])

        return self._settled(work, factors)

    def backward(
        self,
        upstream: Tensor,
        x: Polar,
        y: Polar,
        curvature: float,
        quantity: Quantity,
        aperture: Tensor | None,
        by_curvature: bool = True,
    ) -> Gradients:
        """Gradients of the sum of `upstream` (B, N, M) times `quantity`."""

        def work(measure: Measure) -> Gradients:
            sums = measure.sums(x, y, aperture, by_curvature)
            for b, pairs in enumerate(measure.problems(x, y, curvature)):
                psi = None if aperture is None else aperture[b].to(pairs.dtype)
                for i in pairs.rows():
                    for tile in pairs.tiles(i):
                        weight = sums.masked(b, tile, upstream[b, tile.i, tile.j])
                        if quantity.cone is not None and psi is not None:
                            weight = weight * quantity.cone.slope(quantity.law(tile.triangle), psi[i, None])
                            sums.aperture[b, i] -= weight.sum(-1)
                        sums.add(b, tile, pairs, weight, quantity)
            return sums.gradients()

        return self._settled(work, [Factor(x, y, curvature)])

    def energy_sum(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> Tensor:
        """Sum over y of max(0, Xi - aperture), (B, N) float64."""
        return self.row_sums([Factor(x, y, curvature, aperture)], ENERGY)

    def row_sums(self, factors: Sequence[Factor], quantity: Quantity) -> Tensor:
        """`quantity` of each x summed over y, (B, N) float64."""

        def work(measure: Measure) -> Tensor:
            total = torch.zeros_like(wide(factors[0].x.radius))
            for b, pairs in enumerate(measure.values(factors, quantity)):
                for i in pairs.rows():
                    for _, value in pairs.tiles(i):
                        total[b, i] += value.sum(-1, dtype=total.dtype)
            return total

        return self._settled(work, factors)

    def energy_total(
        self, x: Polar, y: Polar, curvature: float, aperture: Tensor, margin: float | None, gradients: bool
    ) -> tuple[Tensor, Gradients | None]:
        """Sum over all pairs of the energy, or of max(0, margin - energy), (B,) float64, and its gradients."""

        def work(measure: Measure) -> tuple[Tensor, Gradients | None]:
            cone = CONE if margin is None else hinge(margin)
            total = wide(x.radius).new_zeros(len(x.radius))
            sums = measure.sums(x, y, aperture, True) if gradients else None
            for b, pairs in enumerate(measure.problems(x, y, curvature)):
                psi = aperture[b].to(pairs.dtype)
                for i in pairs.rows():
                    for tile in pairs.tiles(i):
                        angle = tile.triangle.exterior_angle()
                        total[b] += cone.value(angle, psi[i, None]).sum(dtype=total.dtype)
                        if sums is not None:
                            weight = sums.masked(b, tile, cone.slope(angle, psi[i, None]))
                            sums.aperture[b, i] -= weight.sum(-1)
                            sums.add(b, tile, pairs, weight, ENERGY)
            return total, None if sums is None else sums.gradients()

        return self._settled(work, [Factor(x, y, curvature)])

    def energy_min(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
        """Least max(0, Xi - aperture) over y, (B, N), and its lowest index; NaN and -1 where all pairs are NaN."""

        def work(measure: Measure) -> tuple[Tensor, Tensor]:
            dtype = pair_dtype(x.direction, y.direction)
            values = torch.full_like(x.radius, math.inf, dtype=dtype)
            indices = torch.full_like(x.radius, -1, dtype=torch.int64)
            for b, pairs in enumerate(measure.values([Factor(x, y, curvature, aperture)], ENERGY)):
                for i in pairs.rows():
                    for j, energy in pairs.tiles(i):
                        least, first = pairs.least(energy)
                        better = least < values[b, i]
                        values[b, i] = torch.where(better, least, values[b, i])
                        indices[b, i] = torch.where(better, first + j.start, indices[b, i])
            return values.masked_fill(indices < 0, math.nan), indices

        return self._settled(work, [Factor(x, y, curvature)])

    def contrast(self, factors: Sequence[Factor], quantity: Quantity, terms: LogitTerms) -> Sequence[Tensor]:
        """Logits reduced over y (B, N) and over x (B, M), and sums of matching ones, float64."""

        def work(measure: Measure) -> Sequence[Tensor]:
            x, y = (wide(of.radius) for of in factors[0][:2])
            nothing = 0.0 if terms.reduction == "softplus" else -math.inf
            reduced = Contrast(
                x.new_full(x.shape, nothing), y.new_full(y.shape, nothing), *map(torch.zeros_like, (x, y))
            )
            for b, problem in enumerate(contrasted(measure.values(factors, quantity), terms)):
                problem.reduce(Contrast(*(part[b] for part in reduced)))
            return reduced

        return self._settled(work, factors)

    def contrast_backward(
        self,
        factors: Sequence[Factor],
        quantity: Quantity,
        terms: LogitTerms,
        reduced: Sequence[Tensor],
        upstream: Sequence[Tensor],
        by_curvature: bool = True,
    ) -> Sequence[Tensor]:
        """Gradients of `upstream` times what `contrast` gave, of which `reduced` are rows and columns.

        By u_x, r_x, u_y, r_y and the curvature of each factor, by scale and by bias.
        """

        def work(measure: Measure) -> Sequence[Tensor]:
            sums = [measure.sums(factor.x, factor.y, None, by_curvature) for factor in factors]
            by_scale, by_bias = (torch.zeros_like(wide(terms.scale)) for _ in range(2))
            for b, problem in enumerate(contrasted(measure.values(factors, quantity), terms)):
                pulls = [part[b] for part in upstream]
                by_scale[b], by_bias[b] = problem.pull(
                    b, Contrast(reduced[0][b], reduced[1][b], *pulls[2:]), Contrast(*pulls), sums
                )
            return [*(part for factor in sums for part in factor.gradients()[:5]), by_scale, by_bias]

        return self._settled(work, factors)

    def weigh(self, items: Tensor, positive: Tensor, negative: Tensor, precision: bool, chance: float) -> None:
        """No kernel: a `Ranking` evaluates one weight after the other."""

    def count(self, factors: Sequence[Factor], quantity: Quantity, reach: Tensor | None) -> Tensor:
        """How many y each x reaches, (B, N) int64: distances <= `reach` (B, N), or margins >= 0; NaN is excluded."""

        def work(measure: Measure) -> Tensor:
            result = torch.zeros_like(factors[0].x.radius, dtype=torch.int64)
            for b, pairs in enumerate(measure.values(factors, quantity)):
                for i in pairs.rows():
                    for _, value in pairs.tiles(i):
                        result[b, i] += pairs.within(value, None if reach is None else reach[b, i, None])
            return result

        return self._settled(work, factors)

    def members(self, x: Polar, y: Polar, curvature: float, aperture: Tensor) -> tuple[Tensor, Tensor]:
        """Which y lie in the cone of each x, B = 1, as CSR: row offsets (N + 1,) and ascending columns, int64."""

        def work(measure: Measure) -> tuple[Tensor, Tensor]:
            pairs = measure.pairs(of_batch(x, 0), of_batch(y, 0), curvature)
            psi, device = aperture[0].to(pairs.dtype), aperture.device
            crow = torch.zeros(len(psi) + 1, dtype=torch.int64, device=device)
            blocks = []
            for i in pairs.rows():
                for tile in pairs.tiles(i):
                    inside = tile.triangle.exterior_angle() <= psi[i, None]
                    crow[i.start + 1 : i.stop + 1] += inside.sum(1)
                    if device.type in WAITED_FOR:
                        row, column = torch.nonzero(inside, as_tuple=True)
                        blocks.append(torch.stack((row + i.start, column + tile.j.start)))
            crow = crow.cumsum(0)
            if device.type in WAITED_FOR:
                row, column = torch.cat(blocks, dim=1) if blocks else crow.new_empty(2, 0)
                return crow, column[torch.argsort(row, stable=True)]
            columns, filled = crow.new_empty(int(crow[-1]) + 1), crow[:-1].clone()  # the last takes what is outside
            for i in pairs.rows():
                for tile in pairs.tiles(i):
                    inside = tile.triangle.exterior_angle() <= psi[i, None]
                    slot = filled[i, None] + inside.cumsum(1) - 1
                    column = torch.arange(tile.j.start, tile.j.stop, device=device).expand_as(slot)
                    columns.scatter_(0, slot.where(inside, len(columns) - 1).flatten(), column.flatten())
                    filled[i] += inside.sum(1)
            return crow, columns[:-1]

        return self._settled(work, [Factor(x, y, curvature)])

    def shadow(self, point: Polar, curvature: float) -> None:
        """None: nothing here is faster in 8 bits."""

    def smallest(self, factors: Sequence[Factor], quantity: Quantity, k: int, swap: bool) -> tuple[Tensor, Tensor]:
        """The k columns of smallest score, per row: scores and indices, (B, N, k).

        Ties go to the lower index. Pairs with NaN are excluded; rows with fewer than k others end in NaN with index -1.
        """

        def work(measure: Measure) -> tuple[Tensor, Tensor]:
            x, y = factors[0].x, factors[0].y
            dtype = pair_dtype(x.direction, y.direction)
            best = torch.full((*x.radius.shape, k), math.inf, dtype=dtype, device=x.radius.device)
            indices = torch.full_like(best, -1, dtype=torch.int64)
            for b, pairs in enumerate(measure.values(factors, quantity, swap)):
                for i in pairs.rows():
                    for j, score in pairs.scores(i):
                        value, column = _smallest(score.nan_to_num_(nan=math.inf), min(k, score.shape[1]))
                        value, pick = _smallest(torch.cat((best[b, i], value), dim=1), k)
                        best[b, i] = value
                        indices[b, i] = torch.cat((indices[b, i], column + j.start), dim=1).gather(1, pick)
            missing = best == math.inf
            return best.masked_fill(missing, math.nan), indices.masked_fill(missing, -1)

        return self._settled(work, factors)

    def rank(self, factors: Sequence[Factor], quantity: Quantity, target: Tensor, swap: bool) -> Tensor:
        """How many columns come before column `target` (B, N) of each row in the order of `smallest`; -1 for NaN."""

        def work(measure: Measure) -> Tensor:
            result = torch.zeros_like(target)
            for b, pairs in enumerate(measure.values(factors, quantity, swap)):
                for i in pairs.rows():
                    chosen = target[b, i, None]
                    own = torch.full_like(chosen, math.nan, dtype=pairs.dtype)
                    for j, score in pairs.scores(i):
                        scored = score.gather(1, (chosen - j.start).clamp(0, score.shape[1] - 1))
                        own = torch.where((chosen >= j.start) & (chosen < j.stop), scored, own)
                    for j, score in pairs.scores(i):
                        column = torch.arange(j.start, j.stop, device=score.device)
                        result[b, i] += ((score < own) | ((score == own) & (column < chosen))).sum(-1)
                    result[b, i] = torch.where(own[:, 0].isnan(), -1, result[b, i])
            return result

        return self._settled(work, factors)

    def nearest_ladder(
        self, factors: Sequence[Factor], quantity: Quantity, order: Tensor, ends: Tensor
    ) -> tuple[Tensor, Tensor]:
        """For each x and each end the y of smallest score among `order[:end]`, B = 1: indices (N, T) and scores."""

        def work(measure: Measure) -> tuple[Tensor, Tensor]:
            def negative(block: slice, index: Tensor) -> Tensor:
                chosen = [factor._replace(x=part_of(factor.x, block), y=part_of(factor.y, index)) for factor in factors]
                (pairs,) = measure.values(chosen, quantity)
                return torch.cat([torch.cat([-score for _, score in pairs.scores(i)], 1) for i in pairs.rows()])

            indices, best = best_within(negative, factors[0].x.radius.shape[1], order, ends)
            dtype = pair_dtype(factors[0].x.direction, factors[0].y.direction)
            return indices, -best.to(dtype)

        return self._settled(work, factors)

    def ladder(
        self, queries: Tensor, candidates: Tensor, norms: Tensor | None, order: Tensor, ends: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Arg-max of the cosine within prefixes of `order`: (Q, D), (M, D) -> indices (Q, T) int64, cosines."""
        q, c = (torch.nn.functional.normalize(wide(queries), dim=-1), wide(candidates))
        lengths = torch.linalg.vector_norm(c, dim=-1) if norms is None else wide(norms)
        c = c / torch.where(lengths == 0, 1.0, lengths).unsqueeze(-1)
        precision = pair_dtype(queries, candidates)
        indices, cosines = best_within(lambda block, index: (q[block] @ c[index].mT).to(precision), len(q), order, ends)
        return indices, cosines.to(precision)


REFERENCE = TileBackend(lambda _: Measure())
"""All pairs in float64, rounded once."""


def _smallest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row in ascending order, and their columns; ties go to the lower column."""
    if values.dtype == torch.float32 and values.device.type not in WAITED_FOR:
        return _smallest_by_key(values, k)
    best, columns = torch.topk(values, k, dim=1, largest=False)
    bound = best[:, -1:]
    if bool(((values <= bound).sum(1) > k).any()):  # which of those at the bound come first is not said
        below, level = values < bound, values == bound
        level &= level.cumsum(1) <= k - below.sum(1, keepdim=True)
        columns = torch.nonzero(below | level, as_tuple=True)[1].view(-1, k)
    columns = columns.sort(dim=1).values
    best, order = torch.sort(values.gather(1, columns), dim=1, stable=True)
    return best, columns.gather(1, order)


def _smallest_by_key(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `_smallest`, without waiting for the device: float32 values and columns as whole numbers of one order."""
    bits = (values + 0.0).view(torch.int32)  # -0.0 ties with 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(torch.int64)
    columns = torch.arange(values.shape[1], device=values.device)
    keys = torch.topk((ordered << 32) | columns, k, dim=1, largest=False).values
    columns = keys & 0xFFFFFFFF
    return values.gather(1, columns), columns


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
                value, candidate = _first_largest(
                    values[:, begin - low : end - low], candidates[begin - low : end - low]
                )
                better = (value > best) | ((value == best) & (candidate < index))
                best, index = torch.where(better, wide(value), best), torch.where(better, candidate, index)
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
    tied = torch.where(values == value.unsqueeze(1), candidates, torch.iinfo(torch.int64).max)
    return value, tied.amin(1)
