"""Which way an edge points: scores of "a entails c" for free embeddings, from cones and from radii."""

import numpy as np
import torch
from torch import Tensor

from hiergeo import pairwise
from hiergeo._core.polar import Polar
from hiergeo.evaluation.metrics import auroc
from hiergeo.pairwise import rows
from hiergeo.training import FreeEmbedding

ALPHA = 1000.0
"""How much the radius counts in the score of the Poincare paper, which takes 10^3."""


@torch.no_grad()
def scores(placed: FreeEmbedding, ancestor: Tensor, descendant: Tensor) -> dict[str, np.ndarray]:
    """Scores of pairs of nodes (n,), larger where the first is more likely the ancestor.

    "angle" is -Xi at the ancestor and "margin" the cone margin; a product takes its worst factor. "radius" is how much
    further out the descendant lies, and "paper" the score of Nickel and Kiela, -(1 + alpha (r_a - r_d)) d, with
    geodesic radii in place of norms in the ball.
    """
    angles, margins, from_root = [], [], []
    for (factor, _), point in zip(placed.geometry.parts(_dim(placed)), placed.located().factors, strict=True):
        a, c = (Polar(point.direction[nodes], point.radius[nodes]) for nodes in (ancestor, descendant))
        angle = rows.exterior_angle(a, c, factor.curvature)
        angles.append(angle)
        margins.append(pairwise.half_aperture(a.radius, factor.curvature) - angle)
        from_root.append(point.radius)
    radius = placed.geometry.combine(from_root)
    step = radius[descendant] - radius[ancestor]
    found = {
        "angle": -torch.stack(angles).amax(0),
        "margin": torch.stack(margins).amin(0),
        "radius": step,
        "paper": -(1 - ALPHA * step) * placed.distance(ancestor, descendant),
    }
    return {name: score.numpy() for name, score in found.items()}


def aurocs(placed: FreeEmbedding, edges: Tensor, nodes: int, seed: int = 0) -> dict[str, float]:
    """AUROC of every score: edges against themselves turned round, and against as many pairs that are not linked."""
    child, parent = edges.T
    true, turned = scores(placed, parent, child), scores(placed, child, parent)
    false = scores(placed, *unlinked(edges, nodes, len(edges), seed))
    against = {"reversed": turned, "random": false}
    return {f"{name} / {what}": auroc(true[name], other[name]) for name in true for what, other in against.items()}


def unlinked(edges: Tensor, nodes: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` pairs of different nodes, uniform among those that no edge joins in either direction."""
    free = ~torch.eye(nodes, dtype=torch.bool)
    free[edges[:, 0], edges[:, 1]] = False
    free[edges[:, 1], edges[:, 0]] = False
    places = free.nonzero()
    drawn = torch.randint(len(places), (count,), generator=torch.Generator().manual_seed(seed))
    first, second = places[drawn].T
    return first, second


def _dim(placed: FreeEmbedding) -> int:
    return sum(point.direction.shape[-1] for point in placed.located().factors)
