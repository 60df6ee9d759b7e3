"""The map: where every item of a lens lies in the plane, at its exact radius and in the direction of its shadow.

One law for every curvature: an item at radius r lies at |z| = tan_kappa(scale r) from the centre, in the direction of
its projection on the plane in which the directions of the collection vary most (`hiergeo.geometry.disk`). kappa is -1
for K < 0, the Poincare disk, with tan_kappa = tanh and scale = sqrt(-K) / 2; 1 for K > 0, stereographic from the
antipode, with tan and sqrt(K) / 2; 0 for K = 0 and for products, with the identity and 1. The isometries of the space
that move the centre act on these charts as z -> (z - a) / (1 + kappa conj(a) z).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.errors import InputError
from hiergeo.evaluation.auditing.population import Ids, shuffled
from hiergeo.geometry import ConstantCurvature, Points, Product, Space
from hiergeo.geometry.disk import FARTHEST, Floats, Plane, placed_at, plane
from hiergeo.report.drawing import ticks
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.items import Tiers, read_items
from hiergeo.report.explorer.tiles import Coordinates, Pyramid, inside, pyramid

SAMPLE = 4096
"""Items whose directions choose the plane."""

ROWS = 4096
"""Items that are placed at a time."""

RIM = 1 - 2.0**-22
"""Largest distance from the centre of the Poincare disk: float32 coordinates of its points lie inside the circle."""

TOLD_APART = 12.0
"""sqrt(-K) r beyond which float32 coordinates tell points no longer apart: 1 - tanh(6) is a hundred roundings."""

CIRCLES = 4
"""About how many circles of equal radius are drawn."""


@final
@dataclass(frozen=True)
class Chart:
    """How radii are drawn.

    Attributes:
        curvature: signed K; 0 for products and laws.
        product: whether the space is one, whose radius combines its factors.
    """

    curvature: float
    product: bool

    @classmethod
    def of(cls, space: Space) -> "Chart":
        """The chart of a space."""
        curved = space.geometry.value if isinstance(space.geometry, ConstantCurvature) else 0.0
        return cls(curved, isinstance(space.geometry, Product))

    @property
    def kappa(self) -> int:
        """The sign of the curvature: -1, 0 or 1."""
        return (self.curvature > 0) - (self.curvature < 0)

    @property
    def scale(self) -> float:
        """Chart units per geodesic unit at the centre, > 0."""
        return math.sqrt(abs(self.curvature)) / 2 if self.kappa else 1.0

    def away(self, radius: Floats | NDArray[np.float32]) -> Floats:
        """Distance from the centre (n,) of points at some radii (n,), chart units; below 1 where kappa is -1."""
        away = placed_at(radius, self.curvature)
        return np.minimum(away, RIM) if self.kappa < 0 else away

    def notes(self, farthest: float) -> Iterator[str]:
        """What a reader of the map should know, where `farthest` is the largest radius."""
        if self.product:
            yield "In a product the distance from the centre is the combined radius, without a chart of the curvature."
        half = self.scale * farthest
        if self.kappa < 0 and 2 * half > TOLD_APART:
            yield f"Points beyond {TOLD_APART:g} units of curvature lie too close to the rim to be told apart there."
        if self.kappa > 0 and half > FARTHEST:
            yield "Points near the antipode of the root are drawn nearer to the centre than they are."


@final
@dataclass(frozen=True, eq=False)
class Map:
    """All items of a lens in the plane; arrays are in the order of the tiles.

    Attributes:
        chart: how radii are drawn.
        plane: directions are projected on it.
        pyramid: which items each tile holds.
        extent: half the side of the map.
        version: a digest of all items and where they lie: tiles of one version are parts of one map.
        ids: (n,).
        x: (n,) chart coordinates.
        y: (n,) chart coordinates, upwards.
        radius: (n,) float32, geodesic units.
        tier: (n,) int8; -1 where it is unknown.
        kind: (n,) uint8: 0 for captions, 1 for images.
    """

    chart: Chart
    plane: Plane
    pyramid: Pyramid
    extent: float
    version: str
    ids: Ids
    x: Coordinates
    y: Coordinates
    radius: Coordinates
    tier: NDArray[np.int8]
    kind: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)

    def facts(self) -> dict[str, Any]:
        """What the map is like, in values of JSON."""
        low, high = float(self.radius.min()), float(self.radius.max())
        shown = min(high, FARTHEST / self.chart.scale) if self.chart.kappa > 0 else high
        circles = [tick for tick in ticks(0, shown, CIRCLES) if tick > 0] if shown > 0 else []
        return {
            "kappa": self.chart.kappa,
            "scale": self.chart.scale,
            "reach": float(self.chart.away(np.array([high]))[0]),
            "low": low,
            "high": high,
            "share": self.plane.share,
            "circles": [
                {"radius": radius, "z": float(away)}
                for radius, away in zip(circles, self.chart.away(np.array(circles)), strict=True)
            ],
            "count": len(self),
            "extent": self.extent,
            "version": self.version,
            "tiles": self.pyramid.counts,
            "note": " ".join(self.chart.notes(high)) or None,
        }

    def tile(self, level: int, x: int, y: int) -> bytes:
        """The items of a tile, little endian: uint32 count, uint32 0, then uint64 ids[count], float32 x[], y[] and
        radius[], int8 tier[] and uint8 kind[].

        Raises:
            InputError: there is no such tile.
        """
        span = self.pyramid.spans.get((level, x, y))
        if span is None:
            raise InputError(f"the map has no tile of level {level} at ({x}, {y}): see its list of tiles.")
        part = slice(*span)
        floats = (column[part].astype("<f4").tobytes() for column in (self.x, self.y, self.radius))
        head = np.array([span[1] - span[0], 0], "<u4").tobytes()
        columns = self.ids[part].astype("<u8").tobytes(), *floats
        return b"".join((head, *columns, self.tier[part].tobytes(), self.kind[part].tobytes()))

    def places(self, points: Points) -> Floats:
        """Chart coordinates (n, 2) of points of the space."""
        return placed(points, self.plane, self.chart)

    def select(self, polygon: NDArray[np.float64]) -> Ids:
        """Ids of all items within a polygon (m, 2) of chart coordinates, by ascending radius and id.

        Raises:
            InputError: as `hiergeo.report.explorer.tiles.inside`.
        """
        rows = inside(self.x, self.y, polygon)
        return self.ids[rows[np.lexsort((self.ids[rows], self.radius[rows]))]]


def build_map(lens: Lens, tiers: Tiers | None = None) -> Map:
    """Place every item of a lens; a few thousand rows are held at a time, and about 50 bytes an item are kept."""
    store, geometry, chart = lens.index.store.pinned(), lens.space.geometry, Chart.of(lens.space)
    items = read_items(store, tiers)
    sample = torch.from_numpy(items.sample(SAMPLE))
    flat = plane(tangents(store.fetch(sample).points(geometry)))
    x, y, radius = (np.zeros(len(items), np.float32) for _ in range(3))
    for rows in store.scan():
        for start in range(0, len(rows), ROWS):
            part = rows.take(slice(start, start + ROWS))
            at, points = items.places(part.ids.numpy()), part.points(geometry)
            x[at], y[at] = placed(points, flat, chart).T
            radius[at] = points.radius.numpy()
    farthest = max(float(np.abs(column).max(initial=0)) for column in (x, y))
    extent = farthest if farthest > np.finfo(np.float32).tiny else 1.0
    tree = pyramid(x, y, extent, shuffled(items.ids))
    columns: list[Any] = [column[tree.order] for column in (items.ids, x, y, radius, items.tier, items.kind)]
    digest = blake2b(digest_size=8)
    for column in columns:
        digest.update(column.tobytes())
    return Map(chart, flat, tree, extent, digest.hexdigest(), *columns)


def tangents(points: Points) -> Floats:
    """Vectors (n, D) in the directions of the tangent vectors at the root that points are read from."""
    if len(points.factors) == 1:
        return np.asarray(points.factors[0].direction.double().numpy())
    parts = [point.direction.double() * point.radius.double()[:, None] for point in points.factors]
    return np.asarray(torch.cat(parts, dim=1).numpy())


def placed(points: Points, flat: Plane, chart: Chart) -> Floats:
    """Chart coordinates (n, 2) of points."""
    return flat.shadows(tangents(points)) * chart.away(points.radius.double().numpy())[:, None]
