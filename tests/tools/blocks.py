"""Seeded sets of points of which every pair is measured: nearly collinear ones, and points on one line."""

import torch
from torch import Generator, Tensor

from hiergeo._core.polar import Polar
from hiergeo.testing.samples import bar_angles, bar_radii, close_radii, frame


def bar_block(curvature: float, dim: int, count: int, generator: Generator) -> tuple[Polar, Polar]:
    """Two sets of `count` float32 points in a plane, many pairs of which are nearly collinear and of close radii."""
    (first,), (second,) = frame(1, dim, generator)
    rx, ry = block_radii(curvature, count, generator)
    x, y = (
        torch.cos(angle)[:, None] * first + torch.sin(angle)[:, None] * second
        for angle in (bar_angles(count, generator), bar_angles(count, generator))
    )
    return Polar(x.float(), rx.float()), Polar(y.float(), ry.float())


def on_a_line(rx: Tensor, ry: Tensor, dim: int, generator: Generator) -> tuple[Polar, Polar]:
    """Points of radii (N,) and (M,) on one line: of rows as of pairs, half are at theta exactly 0, half exactly pi.

    Radii stay float64, so that those of a pair may differ by less than float32 tells; directions are float32.
    """
    ray = frame(1, dim, generator)[0].float()
    signs = (1 - 2 * (torch.arange(len(radius)) // n % 2) for n, radius in ((1, rx), (2, ry)))
    x, y = (sign[:, None].to(ray) * ray for sign in signs)
    return Polar(x, rx), Polar(y, ry)


def block_radii(curvature: float, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Radii r_x of five values, and r_y of which a third is independent, a third close to r_x, a third equal to it."""
    rx = bar_radii(curvature, 5, generator)[0][torch.randint(5, (count,), generator=generator)]
    kind = torch.arange(count) % 9 // 3
    ry = torch.where(kind == 0, bar_radii(curvature, count, generator)[0], rx)
    return rx, torch.where(kind == 1, close_radii(rx, curvature, generator), ry)
