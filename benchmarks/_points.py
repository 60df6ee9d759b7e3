"""The points that benchmarks score: random directions, radii as of unit embeddings around a root."""

import torch
from torch.nn.functional import normalize

from hiergeo import Polar

CENTRES = 1000
"""Clusters of `clustered`: of two sets of points one pair in so many shares a centre."""


def points(count: int, dim: int, seed: int) -> Polar:
    """`count` float32 polar points, directions uniform on the sphere, radii uniform in [0.5, 1.5]."""
    generator = torch.Generator().manual_seed(seed)
    direction = normalize(torch.randn(count, dim, generator=generator), dim=-1)
    return Polar(direction, 0.5 + torch.rand(count, generator=generator))


def narrow(count: int, dim: int, seed: int) -> Polar:
    """`points` whose directions scatter around one mean, two of them about 0.3 rad apart."""
    noise, radius = points(count, dim, seed)
    return Polar(normalize(points(1, dim, 1_000_000).direction + 0.22 * noise, dim=-1), radius)


def clustered(count: int, dim: int, seed: int, spread: float, centres: int = 0) -> Polar:
    """`points` whose directions scatter around CENTRES random ones, which `centres` is the seed of.

    Two points of one centre have a cosine of about 1 / (1 + spread^2).
    """
    noise, radius = points(count, dim, seed)
    middle = points(CENTRES, dim, centres + 1_000_000).direction
    return Polar(normalize(middle[torch.arange(count) % CENTRES] + spread * noise, dim=-1), radius)
