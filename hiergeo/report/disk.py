"""Captions on a disk around the root: exact radii, directions projected onto the plane in which they vary most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from hiergeo.evaluation.embedded import Embedded
from hiergeo.geometry import ConstantCurvature, Space
from hiergeo.geometry.disk import FARTHEST, Plane, placed_at, plane
from hiergeo.report.drawing import ticks
from hiergeo.report.ladders import Thumbnail, thumbnail

CHAINS = 150
"""Largest number of chains that are drawn."""

RIM = 100
"""Radius of the disk in units of the drawing."""

ROOM = 1.03
"""Ratio of the radius at the rim to the largest radius drawn."""

SIDE = 112
"""Longest side, in pixels, of the images that appear beside the disk."""

IMAGE = -1
"""Kind of the points of images; those of captions are of the kind of their tier."""


@dataclass(frozen=True)
class Point:
    """A caption (kind: its tier) or an image (kind: `IMAGE`), its position, y upwards, and its radius."""

    chain: int
    kind: int
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class DiskView:
    """One space on a disk.

    Attributes:
        title: of the space.
        chart: how radii are drawn: "poincare", "stereographic" or "flat".
        magnified: magnification of the Poincare disk; 1 for other charts.
        reach: the radius at the rim, in geodesic units.
        share: share of the variance of the directions along the two axes.
        mean_direction: length of the mean unit direction, in [0, 1]; 1 if all captions lie in one direction.
        circles: positions and labels of round radii.
        points: what is drawn.
    """

    title: str
    chart: str
    magnified: float
    reach: float
    share: float
    mean_direction: float
    circles: tuple[tuple[float, str], ...]
    points: tuple[Point, ...]


@dataclass(frozen=True)
class DrawnChain:
    """A chain on the disk: its captions, and its image, if any."""

    captions: tuple[str, ...]
    picture: Thumbnail | None


def drawn_rows(embedded: Embedded, seed: int) -> list[int]:
    """Indices of the rows that are drawn, ascending: at most `CHAINS`, chosen at random."""
    count = len(embedded.hierarchy.rows)
    chosen = np.random.default_rng(seed).choice(count, size=min(CHAINS, count), replace=False)
    return sorted(chosen.tolist())


def chains(embedded: Embedded, rows: Sequence[int]) -> list[DrawnChain]:
    """Captions and pictures of some rows; pictures only where images were embedded."""
    images = {image.image_id: image for image in embedded.hierarchy.images} if embedded.image is not None else {}
    chosen = [embedded.hierarchy.rows[row] for row in rows]
    pictures = [thumbnail(images[row.image_id], SIDE) if row.image_id in images else None for row in chosen]
    return [DrawnChain(row.positive, picture) for row, picture in zip(chosen, pictures, strict=True)]


@torch.no_grad()
def views(spaces: dict[str, tuple[Embedded, Space]], rows: Sequence[int]) -> list[DiskView]:
    """One disk for each title, all out to the same radius; each space has its own root."""
    polar = {title: _polar(embedded, space, rows) for title, (embedded, space) in spaces.items()}
    reach = ROOM * max(float(each.radius.max()) for each in polar.values())
    return [_view(title, spaces[title][1], each, reach) for title, each in polar.items()]


class _Polar(NamedTuple):
    """Points of one space: radius (n,), heading in the plane (n, 2), (chain, kind) of each, and the plane."""

    radius: np.ndarray
    heading: np.ndarray
    owners: list[tuple[int, int]]
    plane: Plane


def _polar(embedded: Embedded, space: Space, rows: Sequence[int]) -> _Polar:
    root = torch.zeros_like(embedded.root) if space.root is None else space.root
    flat = plane((embedded.text - root).cpu().double().numpy())
    points, owners = _points(embedded, rows)
    heading = flat.shadows((points - root).cpu().double().numpy())
    return _Polar(space.radius(points).cpu().double().numpy(), heading, owners, flat)


def _points(embedded: Embedded, rows: Sequence[int]) -> tuple[torch.Tensor, list[tuple[int, int]]]:
    """Embeddings (n, D) of the captions of some rows and then of their images, with the chain and kind of each."""
    tiers = embedded.chains.shape[1]
    captions = embedded.text[embedded.chains[_index(rows, embedded)]].flatten(0, 1)
    owners = [(chain, tier) for chain in range(len(rows)) for tier in range(tiers)]
    if embedded.image is None:
        return captions, owners
    index = {image.image_id: at for at, image in enumerate(embedded.hierarchy.images)}
    image_ids = [embedded.hierarchy.rows[row].image_id for row in rows]
    with_image = [(chain, index[image]) for chain, image in enumerate(image_ids) if image in index]
    images = embedded.image[_index([at for _, at in with_image], embedded)]
    return torch.cat([captions, images]), [*owners, *((chain, IMAGE) for chain, _ in with_image)]


def _index(places: Sequence[int], embedded: Embedded) -> torch.Tensor:
    return torch.tensor(places).to(embedded.captions.device)


def _view(title: str, space: Space, polar: _Polar, reach: float) -> DiskView:
    curvature = space.geometry.value if isinstance(space.geometry, ConstantCurvature) else 0.0
    if curvature > 0:
        reach = min(reach, 2 * FARTHEST / float(np.sqrt(curvature)))
    edge = float(placed_at(np.array(reach), curvature))
    spots = placed_at(polar.radius, curvature)[:, None] / edge * RIM * polar.heading
    circles = [tick for tick in ticks(0, reach, 4) if tick > 0]
    return DiskView(
        title=title,
        chart="poincare" if curvature < 0 else "stereographic" if curvature > 0 else "flat",
        magnified=1 / edge if curvature < 0 else 1.0,
        reach=reach,
        share=polar.plane.share,
        mean_direction=polar.plane.mean,
        circles=tuple((float(placed_at(np.array(tick), curvature)) / edge * RIM, f"{tick:.10g}") for tick in circles),
        points=tuple(
            Point(chain, kind, x, y, radius)
            for (chain, kind), (x, y), radius in zip(polar.owners, spots.tolist(), polar.radius.tolist(), strict=True)
        ),
    )
