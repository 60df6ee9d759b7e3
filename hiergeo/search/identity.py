"""Items that are the query itself, up to rounding: found again by their own text, they entail themselves.

A text that is embedded again, in a batch of another size or on another machine, gives the same embedding e up to
about `NOISE` |e|, so its radius r moves by as much and its direction by NOISE |e| / r, where |e| <= r + |root|.
Rounding to the dtype of the index moves the directions of item and query by at most half its epsilon each. An index
cannot tell two points apart that are nearer than the sum of these, and their exterior angle would be an arbitrary
number: they count as one point, with Xi(x, x) = 0, the half aperture as margin, and distance 0.
"""

from typing import final

import torch
from torch import Tensor

from hiergeo.geometry import Points, Space
from hiergeo.polar import Polar

NOISE = 1e-5
"""Relative error of an embedding that is computed again."""

MANY = 1 << 14
"""Pairs of equal radius that are looked at one by one; of more, only the nearest of each query."""

NEAREST = 16


@final
class Identity:
    """Finds the items that are one with a query.

    Args:
        space: of the points.
        x: Q queries, directions in the dtype of the index.
    """

    def __init__(self, space: Space, x: Points) -> None:
        self.space, self.x = space, x
        shift = 0.0 if space.root is None else float(torch.linalg.vector_norm(space.root.detach().double()))
        radius = x.radius.double()
        self.reach = NOISE * (radius + shift)
        rounding = torch.finfo(x.factors[0].direction.dtype).eps
        self.turns = [rounding + self.reach / point.radius.double() for point in x.factors]

    def same(self, queries: Tensor, y: Points) -> Tensor:
        """Whether the queries at some places (n,) are one with n points, (n,) bool."""
        alike = torch.ones(len(queries), dtype=torch.bool, device=queries.device)
        for own, other, turn in zip(self.x.rows(queries).factors, y.factors, self.turns, strict=True):
            apart = torch.linalg.vector_norm(own.direction.double() - other.direction.double(), dim=1)
            far = (own.radius.double() - other.radius.double()).abs()
            alike &= (apart <= turn[queries]) & (far <= self.reach[queries])
        return alike

    def pairs(self, y: Points) -> tuple[Tensor, Tensor]:
        """Places (m,) of queries, and of the points, in ascending order of radius, that are one with them."""
        radius = y.radius.double()
        ascending = torch.where(radius.isnan(), -torch.inf, radius).cummax(dim=0).values
        own = self.x.radius.double()
        start = torch.searchsorted(ascending, own - self.reach)
        count = torch.searchsorted(ascending, own + self.reach, right=True) - start
        total = int(count.sum())
        places = torch.arange(len(own), device=own.device)
        if total > MANY:
            index = self.space.topk(self.x, y, NEAREST)[1]
            queries, rows = places.repeat_interleave(NEAREST), index.flatten()
            queries, rows = queries[rows >= 0], rows[rows >= 0]
        else:
            queries = places.repeat_interleave(count)
            first = (start - (count.cumsum(0) - count)).repeat_interleave(count)
            rows = first + torch.arange(total, device=own.device)
        if not len(rows):
            return queries, rows
        alike = self.same(queries, y.rows(rows))
        return queries[alike], rows[alike]


def replaced(y: Points, same: Tensor, x: Points) -> Points:
    """The points y, with those of x where they are the same (n,)."""
    factors = (
        Polar(
            torch.where(same.unsqueeze(1), own.direction, other.direction), torch.where(same, own.radius, other.radius)
        )
        for own, other in zip(x.factors, y.factors, strict=True)
    )
    return Points(y.geometry, tuple(factors))
