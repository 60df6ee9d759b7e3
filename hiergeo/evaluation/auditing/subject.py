"""What an audit examines: the captions and images of a hierarchy as points of one space, and altered copies of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo._core.polar import Polar
from hiergeo.evaluation import Embedded
from hiergeo.evaluation.protocols import levelled, pair_scores
from hiergeo.geometry import Euclidean, Geometry, PairLaw, Points, Product, Space

EXACT = 1 << 14
"""Captions up to which points are float64 whatever the dtype of the embeddings."""

Alter = Callable[[Polar], Polar]


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """The points under audit, in a space around its root.

    Attributes:
        captions: (V, D) points of `embedded.captions`, in float64 where there are at most `EXACT` of them.
        image: (m, D) points of `embedded.image` in the same dtype, or None.
        one_direction: whether all points lie in one direction, so that angles tell no more than signs.
    """

    embedded: Embedded
    space: Space
    captions: Points
    image: Points | None
    one_direction: bool = False

    @property
    def text(self) -> Points:
        """(U, D) points of the distinct captions of the positive chains."""
        return self.captions.rows(slice(0, len(self.embedded.texts)))

    @property
    def parents(self) -> Tensor:
        """(n, T - 1) positions of tiers 0 to T - 2 of the chains."""
        return self.embedded.chains[:, :-1]

    @property
    def children(self) -> Tensor:
        """(n, T - 1) positions of tiers 1 to T - 1 of the chains."""
        return self.embedded.chains[:, 1:]

    @property
    def radii(self) -> np.ndarray:
        """(n, T) radii of the chains, geodesic units."""
        return levelled(array(self.text.radius[self.embedded.chains]))

    @property
    def curvatures(self) -> list[float]:
        """Signed K of every factor."""
        return self.space.geometry.curvature_values(self.captions.dim)

    @property
    def radial(self) -> bool:
        """Whether radii are lengths of embeddings."""
        geometry = self.space.geometry
        return not isinstance(geometry, PairLaw) or geometry.radial

    def inside(self, x: Tensor, y: Tensor) -> np.ndarray:
        """1 where the cone of the caption at `x` holds the caption at `y`, else 0; the shape of both."""
        return array(pair_scores(self.space.entails, self.captions, x, y))

    def altered(self, changes: Sequence[Alter], space: Space | None = None) -> "Subject":
        """The subject with the points of each factor changed, in its own space or another one."""
        space = self.space if space is None else space

        def change(points: Points) -> Points:
            factors = (alter(point) for alter, point in zip(changes, points.factors, strict=True))
            return Points(space.geometry, tuple(factors))

        image = None if self.image is None else change(self.image)
        return replace(self, captions=change(self.captions), image=image, space=space)


def subject_of(embedded: Embedded, space: Space) -> Subject:
    """The subject of embeddings in a space; raises InputError where they do not fit their captions and images."""
    _check(embedded)
    rooted = space.rooted(embedded.root)
    exact = len(embedded.captions) <= EXACT

    def points(rows: Tensor) -> Points:
        return rooted.points(wide(rows) if exact else rows)

    image = None if embedded.image is None or not len(embedded.image) else points(embedded.image)
    return Subject(embedded, rooted, points(embedded.captions), image)


def angles_alone(subject: Subject) -> Subject:
    """Every point keeps its direction and gets the median radius of the captions, factor by factor.

    Points at the root stay there. In a single space -Xi and minus the distance then order pairs as the cosine does.
    """

    def at(radius: float) -> Alter:
        return lambda point: Polar(point.direction, torch.where(point.radius > 0, radius, point.radius))

    return subject.altered([at(float(np.median(array(point.radius))) or 1.0) for point in subject.text.factors])


def radii_alone(subject: Subject) -> Subject:
    """Every point keeps its radius; all directions become one, factor by factor."""
    factors, law = len(subject.text.factors), isinstance(subject.space.geometry, PairLaw)

    def one_way(point: Polar) -> Polar:
        direction = torch.zeros_like(point.direction if factors > 1 or law else point.direction[..., :1])
        direction[..., 0] = (point.radius > 0).to(direction.dtype)
        return Polar(direction, point.radius)

    return replace(subject.altered([one_way] * factors), one_direction=True)


def flattened(subject: Subject) -> Subject:
    """The same radii and directions with K = 0 in every factor; a product combines its factors as before."""
    flat: Geometry = Euclidean()
    curved = subject.space
    if isinstance(curved.geometry, Product):
        flat = Product([(Euclidean(), size) for _, size in curved.geometry.factors], curved.geometry.norm)
    space = Space(flat, "none" if curved.root is None else curved.root, min_radius=curved.min_radius)
    return subject.altered([lambda point: point] * len(subject.text.factors), space)


def array(x: Tensor) -> np.ndarray:
    """A tensor as a float64 array."""
    return x.detach().cpu().double().numpy()


def _check(embedded: Embedded) -> None:
    texts = set(embedded.texts)
    for row in embedded.hierarchy.rows:
        if missing := [caption for caption in row.positive if caption not in texts]:
            raise InputError(f"caption {missing[0]!r} of row {row.row_id} is not among the embedded texts.")
    images = len(embedded.hierarchy.images)
    if len(texts) < len(embedded.texts) or len(embedded.captions) < len(texts):
        raise InputError(
            f"{len(embedded.captions)} embeddings for {len(texts)} distinct texts: there must be one each."
        )
    if embedded.image is not None and len(embedded.image) != images:
        raise InputError(f"{len(embedded.image)} image embeddings for {images} images: there must be one each.")
    for name, rows in {"captions": embedded.captions, "images": embedded.image, "root": embedded.root[None]}.items():
        if rows is not None and bool((wrong := ~torch.isfinite(rows).all(-1)).any()):
            raise InputError(f"the embeddings of {name} hold NaN or Inf, first in row {int(wrong.nonzero()[0])}.")
