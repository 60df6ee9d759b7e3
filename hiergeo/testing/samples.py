"""Seeded points for tests: the pairs that the accuracy bars are stated on, and the special points of every space."""

import math

import torch
from torch import Generator, Tensor

from hiergeo._core.polar import Polar

NEAREST = 1e-5  # smallest angle to a common line among the pairs of the accuracy bars


def reach(curvature: float) -> float:
    """The largest radius of the accuracy bars: s r = 12, or just inside the sphere's range."""
    if curvature == 0:
        return 12.0
    return (12.0 if curvature < 0 else 0.999 * math.pi) / math.sqrt(abs(curvature))


def bar_rows(curvature: float, dim: int, count: int, generator: Generator) -> tuple[Polar, Polar]:
    """`count` float32 pairs: radii independent, close or equal; a third of the angles near 0, a third near pi."""
    rx, ry = bar_radii(curvature, count, generator)
    theta = bar_angles(count, generator)
    first, second = frame(count, dim, generator)
    turned = torch.cos(theta)[:, None] * first + torch.sin(theta)[:, None] * second
    return Polar(first.float(), rx.float()), Polar(turned.float(), ry.float())


def bar_radii(curvature: float, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Log-uniform radii r_x with s r >= 1e-3, and r_y independent, within 1e-6 to 1 of r_x, or equal to it."""
    high = reach(curvature)
    low = 1e-3 if curvature == 0 else 1e-3 / math.sqrt(abs(curvature))
    span = math.log(high / low)
    rx, ry = (low * torch.exp(span * torch.rand(count, generator=generator, dtype=torch.float64)) for _ in range(2))
    kind = torch.arange(count) % 9 // 3
    return rx, torch.where(kind == 0, ry, torch.where(kind == 1, close_radii(rx, curvature, generator), rx))


def bar_angles(count: int, generator: Generator) -> Tensor:
    """Angles in [0, pi]: a third uniform, a third log-uniform from `NEAREST`, a third pi minus that."""
    uniform = math.pi * torch.rand(count, generator=generator, dtype=torch.float64)
    share = torch.rand(count, generator=generator, dtype=torch.float64)
    near = NEAREST * torch.exp(math.log(math.pi / NEAREST) * share)
    kind = torch.arange(count) % 3
    return torch.where(kind == 0, uniform, torch.where(kind == 1, near, math.pi - near))


def frame(count: int, dim: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """`count` random pairs of orthonormal vectors, two tensors (count, dim) of float64."""
    first, second = (torch.randn(count, dim, generator=generator, dtype=torch.float64) for _ in range(2))
    first = torch.nn.functional.normalize(first, dim=-1)
    second = second - (first * second).sum(-1, keepdim=True) * first
    return first, torch.nn.functional.normalize(second, dim=-1)


def special_points(curvature: float, dim: int, dtype: torch.dtype = torch.float32) -> Polar:
    """Points whose pairs meet every special case: the root, coincident, antipodal, nearly collinear, tiny, huge.

    Radii span [1e-30, 1e6] and s r <= 1e4, on a sphere up to its antipode.
    """
    s = math.sqrt(abs(curvature)) or 1.0
    largest = math.pi / s if curvature > 0 else min(1e6, 1e4 / s)
    radii = [1e-30, 1e-12, 1e-4, 0.05 / s, 1 / s, (1 + 1e-6) / s, (math.pi - 1) / s, largest / 2, largest]
    angles = [0.0, 1e-6, 0.7, math.pi / 2, math.pi - 1e-6, math.pi]
    (first,), (second,) = frame(1, dim, torch.Generator().manual_seed(dim))
    directions = torch.stack([math.cos(t) * first + math.sin(t) * second for t in angles])
    directions[-1] = -directions[0]
    grid = directions.repeat_interleave(len(radii), 0)
    radius = torch.tensor(radii, dtype=torch.float64).repeat(len(angles))
    if curvature > 0:
        radius = radius.clamp_max(largest * (1 - 8 * torch.finfo(dtype).eps))
    root = torch.zeros(1, dim, dtype=torch.float64)
    return Polar(torch.cat((root, grid)).to(dtype), torch.cat((root[:, 0], radius)).to(dtype))


def close_radii(radius: Tensor, curvature: float, generator: Generator) -> Tensor:
    """Radii that differ by a factor of 1 +- 1e-6 to 1."""
    nudge = 10 ** (-6 * torch.rand(radius.shape, generator=generator, dtype=torch.float64))
    sign = torch.randint(0, 2, radius.shape, generator=generator) * 2 - 1
    return (radius * (1 + sign * nudge)).clamp(0.0, reach(curvature))
