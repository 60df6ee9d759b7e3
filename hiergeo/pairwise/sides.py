"""What the triangle law needs of its points: the radial profile of each, and the angle between their rays.

With s = sqrt(|K|) and a = s r, the sine sn(r) is sinh(a)/s, r or sin(a)/s, and the cosine cs(r) is cosh(a), 1 or
cos(a). For K < 0 both are divided by cosh(a), so that nothing overflows and no two large numbers are subtracted. The
angle theta is kept as 1 - cos and 1 + cos, so that neither end of [0, pi] loses digits.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hiergeo._core.numerics import wide

SERIES_BELOW = 1e-2
"""Below this |K| r^2 the bow is computed by a series, since its closed form cancels."""


class Profile(NamedTuple):
    """Per-point radial statistics, all of one shape, in float64.

    Attributes:
        radius: r.
        sine: tanh(a)/s for K < 0; r; sin(a)/s for K > 0.
        shrink: 1/cosh(a) for K < 0; 1 otherwise. The factor by which `sine` was divided.
        cosine: cos(a) for K > 0; 1 otherwise.
        gap: what is left to the end of the ray, without the rounding of 1 or pi: 1 - tanh(a) for K < 0, the distance
            pi/s - r to the antipode of the root for K > 0; 1 for K = 0, where rays do not end.
        bow: (r - sn(r))/K, for K < 0 divided by cosh(a); r^3/6 at K = 0. The radial part of derivatives by K.
    """

    radius: Tensor
    sine: Tensor
    shrink: Tensor
    cosine: Tensor
    gap: Tensor
    bow: Tensor

    def at(self, index: Any) -> "Profile":
        """The same index into every statistic."""
        return Profile(*(field[index] for field in self))


def profile(radius: Tensor, curvature: float) -> Profile:
    """The statistics of `radius` (any shape) in curvature K; a non-finite radius becomes NaN."""
    r = wide(radius)
    r = torch.where(torch.isfinite(r), r, math.nan)
    one = torch.ones_like(r)
    s = math.sqrt(abs(curvature))
    a = s * r
    if curvature < 0:
        decay = torch.exp(-2 * a)
        sine, shrink = torch.tanh(a) / s, 2 * torch.exp(-a) / (1 + decay)
        return Profile(r, sine, shrink, one, 2 * decay / (1 + decay), _bow(r, sine, shrink, curvature))
    if curvature > 0:
        sine = torch.sin(a).clamp_min(0) / s
        return Profile(r, sine, one, torch.cos(a), math.pi / s - r, _bow(r, sine, one, curvature))
    return Profile(r, r, one, one, one, r**3 / 6)


def _bow(r: Tensor, sine: Tensor, shrink: Tensor, curvature: float) -> Tensor:
    x = curvature * r * r
    series = r * r * (1 / 6 + x * (7 / 360 + x * (31 / 15120 + x * (127 / 604800)))) * sine
    return torch.where(x.abs() < SERIES_BELOW, series, (r * shrink - sine) / curvature)


NEAR = 2.0**-20
"""Where 1 - cos or 1 + cos of a float64 product falls below this, it is taken from the chord instead."""

SAME = 2.0**-102
"""1 - cos or 1 + cos below this, an angle of 6e-16, counts as rounding: the rays are taken as equal or opposite."""

GATHER = 1 << 21
"""Numbers that are gathered at a time to compute chords."""


class Opening(NamedTuple):
    """An angle theta in [0, pi]: `versine` = 1 - cos(theta) and `coversine` = 1 + cos(theta), both in [0, 2]."""

    versine: Tensor
    coversine: Tensor

    @property
    def cosine(self) -> Tensor:
        """cos(theta)."""
        return (self.coversine - self.versine) / 2


def row_opening(x: Tensor, length_x: Tensor, y: Tensor, length_y: Tensor) -> Opening:
    """Angles between unit rays x and y (..., D) of some lengths (...), from the two chords; pi/2 to one of length 0."""
    rays = (length_x != 0) & (length_y != 0)
    versine, coversine = _half_squared(x - y), _half_squared(x + y)
    return Opening(torch.where(rays, versine, 1.0), torch.where(rays, coversine, 1.0))


def pair_opening(x: Tensor, y: Tensor) -> Opening:
    """Angles between all unit rays, (N, D), (M, D) -> (N, M), from one product and the chords of near-collinear pairs.

    Pass float64: then only pairs closer than about 1e-3 radians to a common line need their chord.
    """
    cosine = x @ y.mT
    versine, coversine = 1 - cosine, 1 + cosine
    for near, far, sign in ((versine, coversine, -1), (coversine, versine, 1)):
        rows, columns = torch.nonzero(near < NEAR, as_tuple=True)
        step = max(1, GATHER // max(1, x.shape[-1]))
        for i, j in zip(rows.split(step), columns.split(step), strict=True):
            chord = _half_squared(x[i] + sign * y[j])
            near[i, j] = chord
            far[i, j] = 2 - chord
    return Opening(versine, coversine)


def _half_squared(chord: Tensor) -> Tensor:
    half = chord.square().sum(-1) / 2
    return torch.where(half < SAME, 0 * half, half)
