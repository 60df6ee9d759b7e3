"""The angle theta between two rays, kept as 1 - cos and 1 + cos so that neither end of [0, pi] loses digits."""

from typing import NamedTuple

import torch
from torch import Tensor

NEAR = 2.0**-20
"""Where 1 - cos or 1 + cos of a float64 product falls below this, it is taken from the chord instead."""

SAME = 2.0**-102
"""1 - cos or 1 + cos below this, an angle of 6e-16, is rounding: such rays are one, or opposite."""

GATHER = 1 << 21
"""Numbers gathered at once while chords are taken."""


class Opening(NamedTuple):
    """An angle theta in [0, pi]: `versine` = 1 - cos(theta) and `coversine` = 1 + cos(theta), both in [0, 2]."""

    versine: Tensor
    coversine: Tensor

    @property
    def cosine(self) -> Tensor:
        """cos(theta)."""
        return (self.coversine - self.versine) / 2

    @property
    def sine(self) -> Tensor:
        """sin(theta) >= 0."""
        return torch.sqrt(self.versine * self.coversine)


def row_opening(x: Tensor, y: Tensor) -> Opening:
    """Angles between corresponding unit rays, (..., D), (..., D) -> (...), from the two chords; pi/2 to a zero ray."""
    rays = (x != 0).any(-1) & (y != 0).any(-1)
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
