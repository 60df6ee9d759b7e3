"""The points that benchmarks score: directions uniform on the sphere, radii as of unit embeddings around a root."""

import torch

from hiergeo import Polar


def points(count: int, dim: int, seed: int) -> Polar:
    """`count` float32 polar points, radii uniform in [0.5, 1.5]."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(count, dim, generator=generator), dim=-1)
    return Polar(direction, 0.5 + torch.rand(count, generator=generator))
