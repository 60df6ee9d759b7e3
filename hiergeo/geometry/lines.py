"""The nearest candidates to points along straight lines of embeddings, of which each line meets few.

Let s be a position on the line t + s (e - t) and v its vector from the origin. A rising function of the distance to a
candidate c with vector w is h(s) A_c - t.B_c - s (e - t).B_c. By the law of cosines, divided by sn(r) / r of the
position, A = cosh(r_c), B = w sinh(r_c) / r_c and h = r coth(r) for K = -1, and A = -cos(r_c), B = w sin(r_c) / r_c and
h = r cot(r) for K = 1, around the root. For K = 0, around any origin, A = |w|^2 / 2, B = w and h = 1, or h = |p| where
the position p is brought to norm 1. So two products with all candidates serve all positions of a line.

Between the ends of a line the function is the weighted mean of those there less g(s) A_c, where g is that mean of h
less h(s), all of one sign. A candidate that exceeds another one at both ends, with and without the largest g A_c, is
nearest to no point of the line.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hiergeo._core.numerics import compute_dtype, wide
from hiergeo.geometry.space import Space

SCREENED = 1 << 19
"""Pairs of a line and a candidate that are screened at once, within the cache."""

ROUNDING = 4
"""Errors by which two values may differ and still be in either order; how often positions are rounded."""


class Nearest(NamedTuple):
    """What was found along lines.

    Attributes:
        indices: (n, steps) int64 into the candidates; ties go to the lower index.
        searched: (n,) how many candidates were measured exactly for each line.
    """

    indices: Tensor
    searched: list[int]


class LineSearch:
    """Candidates to be searched along many lines.

    Args:
        space: whose distance says what is nearest.
        candidates: (M, D) embeddings.
        renormalised: whether points of lines are brought to norm 1 first; in Euclidean space alone.
    """

    def __init__(self, space: Space, candidates: Tensor, *, renormalised: bool = False) -> None:
        self.space, self.candidates, self.renormalised = space, candidates, renormalised
        factors = [factor for factor, _ in space.geometry.parts(candidates.shape[-1])]
        self._curvature = factors[0].value if len(factors) == 1 else math.nan
        dtype = compute_dtype(candidates.dtype)
        root = None if self._curvature == 0 else space.root
        self._origin = torch.zeros_like(candidates[0], dtype=dtype) if root is None else root.to(dtype)
        vectors = candidates.to(dtype) - self._origin
        radius = wide(vectors).norm(dim=-1)
        self._level = _level(self._curvature, radius).to(dtype)
        self._weighted = vectors * _weight(self._curvature, radius).to(dtype)[:, None]
        self._reach = float(self._weighted.norm(dim=-1).max())
        self._last: tuple[Tensor, Tensor] | None = None

    def points(self, starts: Tensor, ends: Tensor, steps: int) -> Tensor:
        """The embeddings t + (1 - i / steps) (e - t), i = 0, 1, ..., of starts e and ends t (n, D): (n, steps, D)."""
        left = 1 - torch.arange(steps, dtype=torch.float64, device=starts.device)[:, None] / steps
        e, t = starts[:, None, :], ends[:, None, :]
        line = t + left.to(starts.dtype) * (e - t)
        return normalize(line, dim=-1) if self.renormalised else line

    def nearest(self, starts: Tensor, ends: Tensor, steps: int) -> Nearest:
        """The nearest candidate to each of the `points` of lines; arguments as for them.

        Other ends of the same tensor of starts take less time.
        Several numbers are held for each pair of a line and a candidate: give some hundreds of lines at a time.
        """
        points = self.points(starts, ends, steps)
        if math.isnan(self._curvature):
            _, found = self.space.nearest(points.flatten(0, 1), self.candidates)
            return Nearest(found.view(-1, steps), [len(self.candidates)] * len(starts))
        kept = self._possible(starts, ends, steps)
        return Nearest(self._closest(points, kept), [len(each) for each in kept])

    def _possible(self, starts: Tensor, ends: Tensor, steps: int) -> list[Tensor]:
        """For each line the candidates that may be nearest to one of its points, ascending."""
        e, t = (rows.to(self._origin.dtype) - self._origin for rows in (starts, ends))
        share = 1 - torch.arange(steps, dtype=e.dtype, device=e.device) / steps
        radius = wide(t[:, None] + share[:, None] * (e - t)[:, None]).norm(dim=-1)
        height = _height(self._curvature, radius, self.renormalised).to(e.dtype)
        lengths = torch.maximum(e.norm(dim=-1), t.norm(dim=-1)) * self._reach
        levels = height.abs().amax(1) * self._level.abs().max()
        error = (e.shape[-1] + 64) * torch.finfo(e.dtype).eps * (lengths + levels)
        error += ROUNDING * torch.finfo(starts.dtype).eps * lengths
        slack, constant = ROUNDING * error[:, None], bool((t == t[:1]).all())
        if self._last is None or self._last[0] is not starts:
            self._last = starts, e @ self._weighted.T
        of_start = self._last[1]
        of_end = (self._weighted @ t[0])[None].expand_as(of_start) if constant else t @ self._weighted.T
        kept = []
        block = max(1, SCREENED // len(self.candidates))
        for start in range(0, len(e), block):
            some = slice(start, start + block)
            screen = Screening(self._level, of_start[some], of_end[some], height[some], share, slack[some])
            kept += screen.possible()
        return kept

    def _closest(self, points: Tensor, kept: list[Tensor]) -> Tensor:
        """The nearest of the candidates `kept` for each line to each of its points; lines of like numbers together."""
        found = torch.empty(points.shape[:2], dtype=torch.int64, device=points.device)
        sizes = [1 << (len(each) - 1).bit_length() for each in kept]
        for size in sorted(set(sizes)):
            lines = [line for line, own in enumerate(sizes) if own == size]
            batch = max(1, SCREENED // (size * points.shape[-1]))
            for start in range(0, len(lines), batch):
                some = lines[start : start + batch]
                which = torch.stack([_padded(kept[line], size) for line in some])
                place = torch.tensor(some).to(points.device)
                if size > 1:
                    _, nearest = self.space.nearest(points[place], self.candidates[which])
                    which = which.gather(1, nearest)
                found[place] = which
        return found


def _padded(places: Tensor, size: int) -> Tensor:
    """The places, the last one repeated: ties go to the lower index."""
    return torch.cat((places, places[-1:].expand(size - len(places))))


class Screening(NamedTuple):
    """What a block of lines is screened by, in the terms above.

    Attributes:
        level: (M,) A of the candidates.
        of_start: (lines, M) e.B.
        of_end: (lines, M) t.B.
        height: (lines, steps) h.
        share: (steps,) s, from 1.
        slack: (lines, 1) by how much values may be in the wrong order.
    """

    level: Tensor
    of_start: Tensor
    of_end: Tensor
    height: Tensor
    share: Tensor
    slack: Tensor

    def possible(self) -> list[Tensor]:
        """For each line the candidates that have the least value at some step, up to the slack, ascending."""
        kept = []
        for i, row in enumerate(self._undominated()):
            which = row.nonzero()[:, 0]
            terms = torch.stack([self.level[which], -self.of_start[i, which], -self.of_end[i, which]])
            values = torch.stack([self.height[i], self.share, 1 - self.share], dim=1) @ terms
            kept.append(which[~((values - values.amin(1, True)).amin(0) > self.slack[i])])
        return kept

    def _undominated(self) -> Tensor:
        """Which candidates exceed neither the best one at the start nor that at the end everywhere, (lines, M)."""
        mean = torch.linspace(1, 0, len(self.share), dtype=self.share.dtype, device=self.share.device)
        bend = torch.lerp(self.height[:, -1:], self.height[:, :1], mean) - self.height
        first = torch.addcmul(-self.of_start, self.height[:, :1], self.level)
        last = torch.addcmul(
            torch.lerp(self.of_end, self.of_start, self.share[-1]), self.height[:, -1:], self.level, value=-1
        ).neg_()
        pivots = [end.argmin(1, keepdim=True) for end in (first, last)]
        ends = [first, last]
        bent = bend.gather(1, bend.abs().argmax(1, keepdim=True))
        if bool(bent.any()):
            ends += [torch.addcmul(end, bent, self.level, value=-1) for end in (first, last)]
        beyond = [torch.ones_like(first, dtype=torch.bool) for _ in pivots]
        for values in ends:
            for pivot, exceeds in zip(pivots, beyond, strict=True):
                exceeds &= values > values.gather(1, pivot) + self.slack
        return ~(beyond[0] | beyond[1])


def _level(curvature: float, radius: Tensor) -> Tensor:
    if curvature == 0:
        return radius.square() / 2
    u = math.sqrt(abs(curvature)) * radius
    return torch.cosh(u) if curvature < 0 else -torch.cos(u)


def _weight(curvature: float, radius: Tensor) -> Tensor:
    if curvature == 0:
        return torch.ones_like(radius)
    scale = math.sqrt(abs(curvature))
    arc = torch.sinh(scale * radius) if curvature < 0 else torch.sin(scale * radius)
    return torch.where(radius > 0, arc / radius, scale)


def _height(curvature: float, radius: Tensor, renormalised: bool) -> Tensor:
    if curvature == 0:
        return radius if renormalised else torch.ones_like(radius)
    scale = math.sqrt(abs(curvature))
    tangent = torch.tanh(scale * radius) if curvature < 0 else torch.tan(scale * radius)
    return torch.where(radius > 0, radius / tangent, 1 / scale)
