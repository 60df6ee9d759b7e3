"""Scenes as pictures: predicates on the plane sampled on a fine grid, then averaged."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiergeo.datasets.scenes.shapes import PATTERNS, SHAPES, Mask, Plane
from hiergeo.datasets.scenes.world import Scene, Thing

if TYPE_CHECKING:
    from PIL.Image import Image

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

LIGHT_TONE = 0.72
"""How far the light tone of a pattern lies from the ink towards white."""

SHADOW_OFFSET, SHADOW_DEPTH = 0.02, 0.14
"""A shape's shadow: its shift to the lower right in fractions of the side, and how much light it takes."""


def picture(scene: Scene) -> "Image":
    """The picture of a scene, `SIDE` x `SIDE` RGB; a pure function of the scene."""
    from PIL import Image

    return Image.fromarray(_fine_picture(scene)).reduce(FINENESS)


def _fine_picture(scene: Scene) -> NDArray[np.uint8]:
    """The scene without antialiasing, `FINENESS` times larger.

    Tones are paper and shadow, then the ink and the light tone of each thing.
    """
    paper = np.array(PAPERS[scene.ground])
    palette = [paper, (1.0 - SHADOW_DEPTH) * paper]
    tones = np.zeros((SIDE * FINENESS, SIDE * FINENESS), dtype=np.uint8)
    for thing in scene.things:
        part, x, y = _surroundings(tones, thing)
        part[_body(thing, x - SHADOW_OFFSET, y - SHADOW_OFFSET)] = 1
    for thing in scene.things:
        part, x, y = _surroundings(tones, thing)
        body = _body(thing, x, y)
        part[body] = len(palette) + PATTERNS[thing.pattern](x, y)[body]
        ink = np.array(INKS[thing.colour])
        palette += [ink, ink + LIGHT_TONE * (255 - ink)]
    return np.rint(palette).astype(np.uint8)[tones]


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
