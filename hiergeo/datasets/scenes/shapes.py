"""Shapes and patterns as predicates on the plane; a shape lies within the disc of radius 1.2."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]
Mask = NDArray[np.bool_]
Predicate = Callable[[Plane, Plane], Mask]


def disc(radius: float, x0: float = 0.0, y0: float = 0.0) -> Predicate:
    """The disc of this radius about (x0, y0)."""
    return lambda x, y: (x - x0) ** 2 + (y - y0) ** 2 <= radius**2


def polygon(*corners: tuple[float, float]) -> Predicate:
    """The inside of a polygon given by its corners in order, by the even-odd rule."""

    def inside(x: Plane, y: Plane) -> Mask:
        odd = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=bool)
        for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
            if y0 != y1:
                odd ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0)))
        return odd

    return inside


def spokes(count: int, *radii: float) -> tuple[tuple[float, float], ...]:
    """Corners at equal angles from straight up, at these radii in turn: a regular polygon, or a star with two radii."""
    angles = 2.0 * np.pi * np.arange(count) / count
    lengths = np.resize(np.array(radii), count)
    return tuple((float(r * np.sin(a)), float(-r * np.cos(a))) for r, a in zip(lengths, angles, strict=True))


def _cross(x: Plane, y: Plane) -> Mask:
    near, far = np.minimum(abs(x), abs(y)), np.maximum(abs(x), abs(y))
    return (near <= 0.32) & (far <= 0.95)


def _heart(x: Plane, y: Plane) -> Mask:
    u, v = 1.2 * x, 0.1 - 1.2 * y
    bulge = u * u + v * v - 1.0
    return bulge * bulge * bulge <= u * u * v * v * v


SHAPES: dict[str, Predicate] = {
    "circle": disc(0.95),
    "oval": lambda x, y: x**2 + (y / 0.58) ** 2 <= 1.0,
    "ring": lambda x, y: disc(1.0)(x, y) & ~disc(0.52)(x, y),
    "crescent": lambda x, y: disc(1.0)(x, y) & ~disc(0.85, 0.45, -0.2)(x, y),
    "heart": _heart,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) <= 0.84,
    "triangle": polygon((0.0, -0.95), (1.0, 0.8), (-1.0, 0.8)),
    "diamond": lambda x, y: abs(x) / 0.72 + abs(y) <= 1.05,
    "hexagon": polygon(*spokes(6, 1.0)),
    "star": polygon(*spokes(10, 1.1, 0.46)),
    "cross": _cross,
}
"""The inside of each kind of shape, y downwards."""

PATTERNS: dict[str, Predicate] = {
    "plain": lambda x, y: np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=bool),
    "striped": lambda x, y: np.floor((x + y) / 0.062) % 2 == 0,
    "dotted": lambda x, y: disc(0.028)(x % 0.09 - 0.045, y % 0.09 - 0.045),
}
"""Where each pattern shows its light tone; coordinates are fractions of the picture's side, from the shape's centre."""
