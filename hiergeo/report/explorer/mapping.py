"""The disc: all items of a lens around the root, the more general ones nearer to the centre, alike ones side by side.

Both coordinates of an item are ranks, so that the disc is evenly full whatever radii and directions are like. Of the
items a share q has a smaller radius: it lies at |z| = REACH sqrt(q), where equal areas hold equally many items. Angles
follow neighbourhoods: some directions are put in the order of the leaves of their average-linkage tree, an item stands
in the sector of the direction nearest to its own, in it nearer to the side of the neighbouring sector that it is more
alike to, and a sector is as wide as it is full. Mean directions are taken out first. Geometries of the same embeddings
have the same disc, as their radii and directions are the same. The page moves it by the isometries of the Poincare disk
(focus and context; Lamping, Rao & Pirolli, CHI 1995), which magnify what is at the centre and change no number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.errors import InputError
from hiergeo.evaluation.auditing.population import Floats, Ids, shuffled
from hiergeo.geometry import Points
from hiergeo.report.explorer.collection import Lens
from hiergeo.report.explorer.items import Tiers, read_items
from hiergeo.report.explorer.tiles import Coordinates, Pyramid, pyramid

SAMPLE = 4096
"""Items whose mean direction is taken out."""

SECTORS = 256
"""Sampled directions, at most, of which every one has a sector."""

ROWS = 4096
"""Items that are placed at a time."""

REACH = 0.95
"""Distance from the centre of the most specific item; the rim of the Poincare disk is at 1."""

ALIKE = 1e-6
"""Length of what a unit vector does not share with the mean direction below which rounding decides where it points."""

QUARTERS = ("most general", "general", "specific", "most specific")
"""What the quarters of the items are called."""


@final
@dataclass(frozen=True, eq=False)
class Sectors:
    """Directions around the disc.

    Attributes:
        mean: (D,) direction that is taken out.
        axes: (m, D) unit vectors, in their order around the disc; none where directions do not vary.
    """

    mean: Floats
    axes: Floats

    @classmethod
    def of(cls, tangents: Floats) -> "Sectors":
        """Sectors of the directions of sampled tangent vectors (n, D)."""
        units = _units(tangents)
        mean = _units(units.mean(0)[None])[0]
        apart = _apart(units, mean)
        axes = apart[np.linalg.norm(apart, axis=1) > 0.5][:SECTORS]
        if len(axes) > 2:
            from scipy.cluster.hierarchy import leaves_list, linkage

            axes = axes[leaves_list(linkage(axes, "average", metric="cosine", optimal_ordering=True))]
        return cls(mean, axes)

    def around(self, tangents: Floats) -> Floats:
        """Where tangent vectors (n, D) come around the disc: the sector, and how far through it in [0, 1)."""
        if not len(self.axes):
            return np.zeros(len(tangents))
        alike = _apart(_units(tangents), self.mean) @ self.axes.T
        sector, rows = alike.argmax(1), np.arange(len(alike))
        before, after = (alike[rows, (sector + step) % len(self.axes)] for step in (-1, 1))
        return np.asarray(sector + np.clip((after - before + 2) / 4, 0, 1 - 1e-9))


@final
@dataclass(frozen=True, eq=False)
class Disc:
    """Where items lie.

    Attributes:
        sectors: directions around it.
        radii: (n,) of all items, ascending, geodesic units.
        turns: (n,) places of all items in the order around it, ascending.
    """

    sectors: Sectors
    radii: NDArray[np.float32]
    turns: Floats

    def places(self, points: Points) -> Floats:
        """Coordinates (n, 2) of points of the space."""
        return self.at(self.sectors.around(tangents(points)), points.radius.float().numpy())

    def at(self, turns: Floats, radii: NDArray[np.float32]) -> Floats:
        """Coordinates (n, 2) of items at places in the order around the disc, of some radii."""
        away, angle = REACH * np.sqrt(_ranks(self.radii, radii)), 2 * np.pi * _ranks(self.turns, turns)
        return np.stack([away * np.cos(angle), away * np.sin(angle)], axis=1)

    def rings(self) -> Iterator[dict[str, Any]]:
        """The circles that the quarters of the items lie within."""
        for quarter, name in enumerate(QUARTERS, start=1):
            radius = float(self.radii[-(-quarter * len(self.radii) // 4) - 1])
            yield {"name": name, "radius": radius, "z": REACH * (quarter / 4) ** 0.5}


@final
@dataclass(frozen=True, eq=False)
class Map:
    """All items of a lens in the plane; arrays are in the order of the tiles.

    Attributes:
        disc: where they lie.
        pyramid: which items each tile holds.
        version: a digest of all items and where they lie: tiles of one version are parts of one map.
        ids: (n,).
        x: (n,) coordinates, |z| < 1.
        y: (n,) coordinates, upwards.
        radius: (n,) float32, geodesic units.
        tier: (n,) int8; -1 where it is unknown.
        kind: (n,) uint8: 0 for captions, 1 for images.
    """

    disc: Disc
    pyramid: Pyramid
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
        return {
            "reach": REACH,
            "low": float(self.disc.radii[0]),
            "high": float(self.disc.radii[-1]),
            "circles": list(self.disc.rings()),
            "count": len(self),
            "extent": 1.0,
            "version": self.version,
            "tiles": self.pyramid.counts,
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


def build_map(lens: Lens, tiers: Tiers | None = None) -> Map:
    """Place every item of a lens; a few thousand rows are held at a time, and about 50 bytes an item are kept."""
    store, geometry = lens.index.store.pinned(), lens.space.geometry
    items = read_items(store, tiers)
    sample = torch.from_numpy(items.sample(SAMPLE))
    sectors = Sectors.of(tangents(store.fetch(sample).points(geometry)))
    turns, radius = np.zeros(len(items)), np.zeros(len(items), np.float32)
    for rows in store.scan():
        for start in range(0, len(rows), ROWS):
            part = rows.take(slice(start, start + ROWS))
            at, points = items.places(part.ids.numpy()), part.points(geometry)
            turns[at], radius[at] = sectors.around(tangents(points)), points.radius.numpy()
    disc = Disc(sectors, np.sort(radius), np.sort(turns))
    x, y = disc.at(turns, radius).T.astype(np.float32)
    tree = pyramid(x, y, shuffled(items.ids))
    columns: list[Any] = [column[tree.order] for column in (items.ids, x, y, radius, items.tier, items.kind)]
    digest = blake2b(digest_size=8)
    for column in columns:
        digest.update(column.tobytes())
    return Map(disc, tree, digest.hexdigest(), *columns)


def tangents(points: Points) -> Floats:
    """Vectors (n, D) in the directions of the tangent vectors at the root that points are read from."""
    if len(points.factors) == 1:
        return np.asarray(points.factors[0].direction.double().numpy())
    parts = [point.direction.double() * point.radius.double()[:, None] for point in points.factors]
    return np.asarray(torch.cat(parts, dim=1).numpy())


def _units(vectors: Floats) -> Floats:
    """Vectors (n, D) at length 1; zero vectors stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1))


def _apart(units: Floats, mean: Floats) -> Floats:
    """Unit vectors (n, D) without what they share with a direction (D,), at length 1; zero where nothing is left."""
    apart = units - np.outer(units @ mean, mean)
    return _units(np.where(np.linalg.norm(apart, axis=1, keepdims=True) > ALIKE, apart, 0))


def _ranks(ascending: NDArray[Any], values: NDArray[Any]) -> Floats:
    """The share of some numbers, ascending, below each of some values, equal ones counted by half; in [0, 1]."""
    below, up_to = (np.searchsorted(ascending, values, side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * len(ascending)))
