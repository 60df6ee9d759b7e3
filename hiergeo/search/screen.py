"""The first stage of a sweep: rows in 8 bits bound every value, and only rows that may matter are read exactly.

A row u of norm one is stored as whole numbers c with a step s and the residual t = |u - s c|; a query q of norm one as
two such layers, q' = s1 c1 + s2 c2, with t' = |q - q'|. Then

    |<q, u> - <q', s c>| = |<q', u - s c> + <q - q', u>| <= |q'| t + t',

so the cosine of every pair lies in a known interval (widened by `COSINE`, more than the cosine of the engine can be
off). At fixed radii and K <= 0 the distance falls with the cosine: its ends are those of the interval. The derivative
of the exterior angle in the cosine c has the sign of tn_apex c - tn_other, with tn = r or tanh(s r): the angle falls up
to the one place c = tn_other / tn_apex and rises beyond it, so its smallest and its largest value are at the ends of
the interval or there. Margins follow, as half apertures depend on radii alone.

A row whose best value is worse than what is found already, by more than `ANGLE` or `DISTANCE` (twice what values of the
engine can be off by), is left out; all others are scored by the engine. So nothing that the whole scan finds is missed,
and values are the same.

For K > 0 and products there is no screen, nor where the product of 8-bit matrices is missing (`multiplies`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, final

import torch
from torch import Tensor

from hiergeo.geometry import Points, Space
from hiergeo.geometry.base import ConstantCurvature
from hiergeo.pairwise import half_aperture
from hiergeo.search.rows import Rows

CODES, FITS = "codes.i8", "fits.f32"
"""Files of a shard: (D,) int8 a row, and its step and residual, float32."""

COSINE = 1e-5
"""By how much cosines are widened."""

ANGLE = 4e-4
"""Radians by which angles and margins must be worse."""

DISTANCE = 1e-4
"""Part of a distance, and geodesic units, by which distances must be worse."""

FARTHEST = 15.0
"""Times 1/sqrt(-K): radii up to which hyperbolic tangents tell points apart; farther ones are not screened."""

TILE = 1 << 15
"""Rows that are screened at a time."""

LEVELS = 127


@dataclass(frozen=True, eq=False)
class Codes:
    """Rows in 8 bits.

    Attributes:
        codes: (n, D) int8.
        fits: (n, 2) float32, step and residual of each row.
    """

    codes: Tensor
    fits: Tensor

    def take(self, which: slice) -> "Codes":
        """Some of the rows."""
        return Codes(self.codes[which], self.fits[which])


def companion(rows: Rows) -> Mapping[str, Tensor]:
    """The files of the screen for the rows of a shard; none for products."""
    if rows.radii.shape[1] > 1:
        return {}
    codes, step, rest = _rounded(_unit(rows.direction))
    residual = torch.linalg.vector_norm(rest, dim=1) * (1 + 1e-6) + 1e-12
    return {CODES: codes, FITS: torch.stack((step, residual), dim=1).float()}


def screens(space: Space, farthest: float) -> bool:
    """Whether a space is screened, for points up to a radius."""
    geometry = space.geometry
    if not isinstance(geometry, ConstantCurvature):
        return False
    return geometry.value <= 0 and (-geometry.value) ** 0.5 * farthest <= FARTHEST


@cache
def multiplies(dim: int) -> bool:
    """Whether `torch._int_mm`, which is not part of torch's public interface, gives products of 8-bit matrices here."""
    codes = (torch.arange(64 * dim).remainder(255) - LEVELS).to(torch.int8).reshape(64, dim)
    layers = codes[:2].mT.contiguous()
    try:
        product = torch._int_mm(codes, layers)
    except (AttributeError, RuntimeError):
        return False
    return bool((product.double() == codes.double() @ layers.double()).all())


class Interval(NamedTuple):
    """Ends (Q, n) float64 of what a quantity can be, each pair its own."""

    low: Tensor
    high: Tensor


@final
class CodedQueries:
    """Queries in two layers of 8 bits.

    Args:
        x: Q queries of a space that is screened.
    """

    def __init__(self, x: Points) -> None:
        unit = _unit(x.factors[0].direction)
        coarse, step, rest = _rounded(unit)
        fine, fine_step, rest = _rounded(rest)
        self.layers = torch.cat((coarse, fine)).mT.contiguous()
        self.steps = step, fine_step
        self.residual = torch.linalg.vector_norm(rest, dim=1)

    def cosines(self, rows: Codes) -> Interval:
        """Intervals of the cosine of every pair."""
        coarse, fine = torch._int_mm(rows.codes, self.layers).mT.double().chunk(2)
        step, residual = rows.fits.double().unbind(1)
        dot = (coarse * self.steps[0].unsqueeze(1) + fine * self.steps[1].unsqueeze(1)) * step
        residual, own = residual * (1 + self.residual).unsqueeze(1), self.residual.unsqueeze(1)
        error = residual + own + COSINE
        return Interval((dot - error).clamp(-1, 1), (dot + error).clamp(-1, 1))


@final
class Bounds:
    """What the values of every query and row can be, (Q, n) each.

    Args:
        space: of constant curvature K <= 0.
        x: Q queries.
        radius: (n,) of the rows.
        cosine: intervals of the cosine.
    """

    def __init__(self, space: Space, x: Points, radius: Tensor, cosine: Interval) -> None:
        geometry = space.geometry
        assert isinstance(geometry, ConstantCurvature)
        self.space, self.cosine, self.curvature = space, cosine, geometry.value
        self.own, self.radius = x.radius.double().unsqueeze(1), radius.double()
        self.scale = (-self.curvature) ** 0.5

    def distance(self) -> Interval:
        """Geodesic distance."""
        apart = self._sn((self.own - self.radius) / 2).square()
        wide = self._sn(self.own) * self._sn(self.radius) / 2
        return Interval(*(self._arc(apart + wide * (1 - c)) for c in (self.cosine.high, self.cosine.low)))

    def angle(self, parents: bool) -> Interval:
        """Exterior angle, radians: at the query, or at the row for `parents`."""
        apex, other = (self.radius, self.own) if parents else (self.own, self.radius)
        near, far, shrink = self._tn(apex), self._tn(other), self._cs(apex)
        turn = (far / near).clamp(max=1)
        middle = torch.minimum(torch.maximum(turn, self.cosine.low), self.cosine.high)
        ends = [self._angle(near, far, shrink, c) for c in (*self.cosine, middle)]
        low, high = torch.stack(ends).aminmax(dim=0)
        rooted = (apex == 0) & self.radius.isfinite()  # NaN stays NaN: it is no item
        return Interval(low.masked_fill(rooted, 0), high.masked_fill(rooted, 0))

    def deficit(self, parents: bool, min_radius: float | None) -> Interval:
        """The cone margin with its sign turned, radians: small is good."""
        least = self.space.min_radius if min_radius is None else min_radius
        aperture = half_aperture(self.radius if parents else self.own, self.curvature, least)
        return Interval(*(end - aperture for end in self.angle(parents)))

    def _angle(self, near: Tensor, far: Tensor, shrink: Tensor, cosine: Tensor) -> Tensor:
        sine = ((1 - cosine) * (1 + cosine)).clamp_min(0).sqrt()
        return torch.atan2(far * sine / shrink, far * cosine - near)

    def _sn(self, r: Tensor) -> Tensor:
        return r if self.scale == 0 else torch.sinh(self.scale * r) / self.scale

    def _cs(self, r: Tensor) -> Tensor:
        return torch.ones_like(r) if self.scale == 0 else torch.cosh(self.scale * r)

    def _tn(self, r: Tensor) -> Tensor:
        return r if self.scale == 0 else torch.tanh(self.scale * r)

    def _arc(self, square: Tensor) -> Tensor:
        root = square.clamp_min(0).sqrt()
        return 2 * root if self.scale == 0 else 2 / self.scale * torch.asinh(self.scale * root)


def _unit(direction: Tensor) -> Tensor:
    """Rays with norm one, float64; 0 at the root."""
    rays = direction.double()
    norm = torch.linalg.vector_norm(rays, dim=1, keepdim=True)
    return rays / torch.where(norm == 0, 1.0, norm)


def _rounded(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors (n, D) as whole numbers (n, D) int8 times a float32 step (n,), and what that leaves over (n, D)."""
    step = (vectors.abs().amax(dim=1) / LEVELS).float().double()
    codes = (vectors / torch.where(step == 0, 1.0, step).unsqueeze(1)).round().clamp(-LEVELS, LEVELS)
    return codes.to(torch.int8), step, vectors - codes * step.unsqueeze(1)
