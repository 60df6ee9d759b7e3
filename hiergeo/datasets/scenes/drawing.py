"""Scenes drawn as pictures: outlines of shapes, and how they are filled."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiergeo.datasets.scenes.world import Scene, Thing

if TYPE_CHECKING:
    from PIL.Image import Image

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


def _zigzag(y: float) -> tuple[tuple[float, float], ...]:
    """Corners of a line with two peaks about this height."""
    return tuple(
        (x, y + rise) for x, rise in zip((-1.05, -0.52, 0.0, 0.52, 1.05), 2 * (0.33, -0.42) + (0.33,), strict=True)
    )


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
    "cross": _cross,
    "star": polygon(*spokes(10, 1.1, 0.46)),
    "spark": lambda x, y: abs(x) ** 0.75 + abs(y) ** 0.75 <= 1.08,
    "bolt": polygon((0.0, -1.1), (0.75, -1.1), (0.3, -0.32), (0.8, -0.32), (-0.45, 1.1), (-0.1, 0.2), (-0.75, 0.2)),
    "crown": polygon((-1.0, -0.6), (-0.5, 0.0), (0.0, -0.9), (0.5, 0.0), (1.0, -0.6), (0.82, 0.75), (-0.82, 0.75)),
    "zigzag": polygon(*_zigzag(-0.4), *_zigzag(0.4)[::-1]),
}
"""The inside of each kind of shape, y downwards."""

PATTERNS: dict[str, Predicate] = {
    "plain": lambda x, y: np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=bool),
    "striped": lambda x, y: np.floor((x - y) / 0.062) % 2 == 0,
    "dotted": lambda x, y: disc(0.028)(x % 0.09 - 0.045, y % 0.09 - 0.045),
}
"""Where each pattern shows its light tone; coordinates are fractions of the picture's side, from the shape's centre."""


SIDE = 96
"""Width and height of a picture, in pixels."""

FINENESS = 3
"""Samples per pixel along each axis."""

INKS = {
    "red": (222, 58, 58),
    "orange": (244, 140, 48),
    "yellow": (250, 206, 58),
    "green": (58, 164, 92),
    "blue": (62, 122, 228),
    "purple": (138, 84, 200),
    "pink": (243, 132, 176),
    "brown": (140, 92, 62),
}

PAPERS = {
    "white": (252, 252, 250),
    "grey": (176, 180, 186),
    "cream": (252, 238, 206),
    "mint": (204, 238, 218),
    "lavender": (222, 214, 244),
    "navy": (38, 48, 84),
}

LIGHT_TONE = 0.66
"""How far the light tone of a pattern lies from the ink towards white."""

SHADOW_OFFSET, SHADOW_DEPTH = 0.02, 0.14
"""A shape's shadow: its shift to the lower right in fractions of the side, and how much light it takes."""


def picture(scene: Scene) -> "Image":
    """The picture of a scene, `SIDE` x `SIDE` RGB; a pure function of the scene."""
    from PIL import Image

    tones, palette = _fine_picture(scene)
    fine = Image.fromarray(tones)
    fine.putpalette(np.rint(palette).astype(np.uint8).tobytes())
    return fine.convert("RGB").reduce(FINENESS)


def _fine_picture(scene: Scene) -> tuple[NDArray[np.uint8], list[Plane]]:
    """The tone of every pixel of the scene without antialiasing, `FINENESS` times larger, and the RGB of each tone.

    Tones are paper and shadow, then the ink and the light tone of each thing.
    """
    paper = np.array(PAPERS[scene.ground], dtype=float)
    palette = [paper, (1.0 - SHADOW_DEPTH) * paper]
    tones = np.zeros((SIDE * FINENESS, SIDE * FINENESS), dtype=np.uint8)
    for thing in scene.things:
        part, x, y = _surroundings(tones, thing)
        np.copyto(part, 1, where=_body(thing, x - SHADOW_OFFSET, y - SHADOW_OFFSET))
    for thing in scene.things:
        part, x, y = _surroundings(tones, thing)
        np.copyto(part, np.uint8(len(palette)) + PATTERNS[thing.pattern](x, y), where=_body(thing, x, y))
        ink = np.array(INKS[thing.colour], dtype=float)
        palette += [ink, ink + LIGHT_TONE * (255 - ink)]
    return tones, palette


def _surroundings(tones: NDArray[np.uint8], thing: Thing) -> tuple[NDArray[np.uint8], Plane, Plane]:
    """The part of the picture that can hold a thing and its shadow, and its coordinates from the thing's centre."""
    side = len(tones)
    reach = 1.2 * thing.radius + SHADOW_OFFSET
    columns, rows = (slice(max(0, int((c - reach) * side)), int((c + reach) * side) + 1) for c in (thing.x, thing.y))
    grid = (np.arange(side) + 0.5) / side
    return tones[rows, columns], (grid[columns] - thing.x)[None, :], (grid[rows] - thing.y)[:, None]


def _body(thing: Thing, x: Plane, y: Plane) -> Mask:
    """Where the thing lies, tilted and scaled, among points given relative to its centre."""
    angle = np.deg2rad(thing.tilt)
    cos, sin = np.cos(angle) / thing.radius, np.sin(angle) / thing.radius
    return SHAPES[thing.kind](cos * x + sin * y, cos * y - sin * x)
