"""The radial profile: everything the triangle law needs to know about one point besides its direction.

With s = sqrt(|K|) and a = s r, the sine sn(r) is sinh(a)/s, r or sin(a)/s, and the cosine cs(r) is cosh(a), 1 or
cos(a). For K < 0 both are divided by cosh(a), so that nothing overflows and no two large numbers are subtracted.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo._numerics import wide

SERIES_BELOW = 1e-2
"""Below this |K| r^2 the bow is summed as a series: the closed form would cancel."""


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

    def at(self, index: object) -> "Profile":
        """The same index into every statistic."""
        return Profile(*(field[index] for field in self))  # type: ignore[index]


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
