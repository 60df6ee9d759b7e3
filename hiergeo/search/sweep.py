"""One pass over rows that answers many questions: each task takes every chunk and keeps only its result."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, final

import torch
from torch import Tensor

from hiergeo.geometry import Points, Space
from hiergeo.geometry.space import By, Side
from hiergeo.search.rows import Rows


class RadiusRange(NamedTuple):
    """Radii of the items that a task looks at, both ends included, geodesic units."""

    low: float = 0.0
    high: float = math.inf

    @property
    def whole(self) -> bool:
        """Whether it holds every item."""
        return self.low <= 0 and self.high == math.inf

    def of(self, radius: Tensor) -> slice:
        """The items of ascending radii (n,) within it; NaN may stand among them."""
        exact = radius.double()  # float32 numbers would be compared with the bounds rounded to float32
        inside = torch.nonzero((exact >= self.low) & (exact <= self.high))
        return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)

    @classmethod
    def strict(cls, side: Side, radius: float) -> "RadiusRange":
        """The radii above that of a query, for its children, or below it, for its parents."""
        if side == "children":
            return cls(math.nextafter(radius, math.inf), math.inf)
        return cls(-math.inf, math.nextafter(radius, -math.inf))


EVERY = RadiusRange()
NONE = torch.empty(0, dtype=torch.int64)


class SweepTask(Protocol):
    """A question to all rows of a range of radii but those of the ids `without` (n,), answered chunk by chunk."""

    space: Space
    span: RadiusRange
    without: Tensor

    def take(self, rows: Rows, points: Points) -> None:
        """Take one chunk: its rows, sorted by radius and id, and the same as points of the space."""


class Matches(NamedTuple):
    """The best items of each query: ids (Q, k) int64, the values (Q, k) that they were ordered by, and radii (Q, k).

    Where there are fewer the id is -1 and the others are NaN.
    """

    ids: Tensor
    values: Tensor
    radius: Tensor


def run(chunks: Iterable[Rows], tasks: Sequence[SweepTask], device: torch.device | str = "cpu") -> list[int]:
    """Pass all chunks through all tasks; returns how many items each of them has scored.

    Tasks of one geometry share their points.
    """
    scored = [0] * len(tasks)
    for chunk in chunks:
        lifted: dict[int, Points] = {}
        for number, task in enumerate(tasks):
            geometry = task.space.geometry
            if id(geometry) not in lifted:
                lifted[id(geometry)] = chunk.points(geometry, device)
            rows, points = chunk, lifted[id(geometry)]
            if not task.span.whole:
                inside = task.span.of(points.radius)
                rows, points = rows.take(inside), points.rows(inside)
            scored[number] += int(rows.radii[:, 0].isfinite().sum())
            if len(task.without):
                wanted = torch.nonzero(~torch.isin(rows.ids, task.without))[:, 0]
                rows, points = rows.take(wanted), points.rows(wanted.to(points.radius.device))
            if len(rows):
                task.take(rows, points)
    return scored


@final
class Best:
    """The k best items of each query, as `Space.topk`; ties go to the smaller radius, then to the lower id."""

    def __init__(
        self,
        space: Space,
        x: Points,
        k: int,
        by: By = "margin",
        side: Side = "children",
        min_radius: float | None = None,
        span: RadiusRange = EVERY,
        without: Tensor = NONE,
    ) -> None:
        self.space, self.x, self.span, self.without = space, x, span, without
        self.k, self.by, self.side, self.min_radius = k, by, side, min_radius
        self.matches: Matches | None = None

    def take(self, rows: Rows, points: Points) -> None:
        values, index = self.space.topk(self.x, points, self.k, self.by, self.side, self.min_radius)
        part = _best(rows, points, values, index)
        self.matches = part if self.matches is None else self._merged(self.matches, part)

    def _merged(self, a: Matches, b: Matches) -> Matches:
        ids, values, radius = (torch.cat(pair, dim=-1) for pair in zip(a, b, strict=True))
        score = torch.where(values.isnan(), torch.inf, -values if self.by == "margin" else values)
        order = lexicographic(score, radius, ids)[..., : self.k]
        return Matches(ids.gather(-1, order), values.gather(-1, order), radius.gather(-1, order))


@final
class Steps:
    """The nearest item within each threshold of radius for each query, as `Space.ladder`; ties as in `Best`."""

    def __init__(
        self, space: Space, x: Points, thresholds: Tensor, span: RadiusRange = EVERY, without: Tensor = NONE
    ) -> None:
        self.space, self.x, self.thresholds, self.span, self.without = space, x, thresholds, span, without
        self.matches: Matches | None = None

    def take(self, rows: Rows, points: Points) -> None:
        values, index = self.space.climb(self.x, points, self.thresholds)
        part = _best(rows, points, values, index)
        if self.matches is None:
            self.matches = part
            return
        a, b = self.matches, part
        better = b.values < a.values
        tied = (b.values == a.values) & ((b.radius < a.radius) | ((b.radius == a.radius) & (b.ids < a.ids)))
        better |= tied | (a.values.isnan() & ~b.values.isnan())
        self.matches = Matches(*(torch.where(better, new, old) for new, old in zip(b, a, strict=True)))


@final
class Count:
    """How many items each query entails, or has within a geodesic distance (Q,): `total` (Q,) int64."""

    def __init__(
        self,
        space: Space,
        x: Points,
        min_radius: float | None = None,
        span: RadiusRange = EVERY,
        within: Tensor | None = None,
        without: Tensor = NONE,
    ) -> None:
        self.space, self.x, self.min_radius, self.span, self.without = space, x, min_radius, span, without
        self.within = None if within is None else within.to(x.radius)
        self.total = torch.zeros(len(x), dtype=torch.int64)

    def take(self, rows: Rows, points: Points) -> None:
        if self.within is None:
            self.total += self.space.count(self.x, points, self.min_radius).cpu()
        else:
            self.total += self.space.count_within(self.x, points, self.within).cpu()


def lexicographic(*keys: Tensor) -> Tensor:
    """Indices (..., n) that sort the last dimension by the first key, ties by the second, and so on."""
    order = keys[-1].argsort(dim=-1, stable=True)
    for key in reversed(keys[:-1]):
        order = order.gather(-1, key.gather(-1, order).argsort(dim=-1, stable=True))
    return order


def _best(rows: Rows, points: Points, values: Tensor, index: Tensor) -> Matches:
    missing, row = index < 0, index.clamp_min(0)
    return Matches(
        rows.ids[row.cpu()].masked_fill(missing.cpu(), -1),
        values.masked_fill(missing, torch.nan).cpu(),
        points.radius[row].masked_fill(missing, torch.nan).cpu(),
    )
