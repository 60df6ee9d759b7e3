"""Angles and energies of cones in any space: in a product the worst over the factors, each around its own root."""

from collections.abc import Iterator

import torch
from torch import Tensor

from hiergeo.geometry import Space


def exterior_angle(space: Space, x: Tensor, y: Tensor) -> Tensor:
    """Xi(x_i, y_i) in [0, pi] radians, (..., D) -> (...); the largest over the factors of a product."""
    return torch.stack([factor.exterior_angle(a, b) for factor, a, b in _factors(space, x, y)]).amax(0)


def energy(space: Space, x: Tensor, y: Tensor, aperture_scale: float, min_radius: float) -> Tensor:
    """max(0, Xi(x_i, y_i) - aperture_scale psi(x_i)), radians, (...); the largest over the factors of a product."""
    excess = [
        factor.exterior_angle(a, b) - aperture_scale * factor.half_aperture(a, min_radius)
        for factor, a, b in _factors(space, x, y)
    ]
    return torch.stack(excess).amax(0).clamp_min(0)


def _factors(space: Space, x: Tensor, y: Tensor) -> Iterator[tuple[Space, Tensor, Tensor]]:
    for geometry, part in space.geometry.parts(x.shape[-1]):
        yield Space(geometry, None if space.root is None else space.root[part]), x[..., part], y[..., part]
