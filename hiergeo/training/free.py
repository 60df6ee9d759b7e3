"""Free embeddings: one point a node, moved until linked nodes are near and others far.

The positive control of hyperbolic space: no features, only a graph and a geometry.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_positive, check_whole
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.polar import Polar
from hiergeo._core.progress import track
from hiergeo.geometry import Geometry, Points, Space
from hiergeo.geometry.charts import geoopt

REACH = 12.0
"""Largest sqrt(-K) r of a hyperbolic point, about where geoopt's ball ends (12.2).

Near 18, tangent vectors of the hyperboloid lose their length to rounding, in float64 too, and Riemannian Adam fails.
"""


@dataclass(frozen=True)
class FreeRecipe:
    """How points are placed.

    Attributes:
        epochs: passes over the edges.
        batch: edges a step.
        negatives: nodes drawn against each edge (u, v), none of them linked from u.
        learning_rate: of Riemannian Adam (Becigneul and Ganea, ICLR 2019), falling linearly to 0 over the epochs.
        burn_in: first epochs, at a tenth of that, in which the points find their directions.
        spread: standard deviation of the first coordinates around the root, geodesic units.
        seed: of the first points, the batches and the negatives.

    Raises:
        InputError: a number out of range.
    """

    epochs: int = 200
    batch: int = 256
    negatives: int = 50
    learning_rate: float = 0.02
    burn_in: int = 10
    spread: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("epochs", self.epochs, 1, limits.TRAINING_STEPS)
        check_whole("burn_in", self.burn_in, 0, limits.TRAINING_STEPS)
        check_whole("seed", self.seed, 0, limits.SEED)
        for name in ("batch", "negatives"):
            check_whole(name, getattr(self, name), 1, limits.COUNT)
        for name in ("learning_rate", "spread"):
            check_positive(name, getattr(self, name))

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, from 0."""
        return self.learning_rate * (1 - epoch / self.epochs) * (0.1 if epoch < self.burn_in else 1)


class FreeEmbedding(nn.Module):
    """Points on the manifold of a geometry, or of each factor of a product, in float64 coordinates of its chart.

    Raises:
        InputError: a learnable curvature, a dimension that does not fit, a geometry without `manifold()`.
    """

    def __init__(self, geometry: Geometry, nodes: int, dim: int, *, spread: float = 1e-3, seed: int = 0) -> None:
        super().__init__()
        if any(parameter.requires_grad for parameter in geometry.parameters()):
            raise InputError("free embeddings lie on a manifold of fixed curvature: give one that is not learnable.")
        self.geometry, self.space = geometry, Space(geometry, "none")
        generator = torch.Generator().manual_seed(seed)
        tangent = spread * torch.randn(nodes, dim, generator=generator, dtype=torch.float64)
        points = []
        for factor, part in geometry.parts(dim):
            manifold = getattr(factor, "manifold", None)
            if manifold is None:
                raise InputError(f"{factor.spec} has no manifold() for Riemannian optimisers: free points need one.")
            start = Space(factor, "none").to_ambient(tangent[:, part])
            points.append(geoopt().ManifoldParameter(start, manifold=manifold()))
        self.points = nn.ParameterList(points)
        self._factors = [factor for factor, _ in geometry.parts(dim)]

    def located(self) -> Points:
        """The points around the root, (nodes, dim)."""
        factors = zip(self._factors, self.points, strict=True)
        return Points(self.geometry, tuple(factor.from_ambient(x) for factor, x in factors))

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distances of nodes `x` and `y`, int64, broadcasting."""
        points = self.located()
        return self.space.distance(points.rows(x), points.rows(y))

    @torch.no_grad()
    def keep_in_reach(self) -> None:
        """Move hyperbolic points beyond `REACH` back to it, along their rays."""
        for factor, x, point in zip(self._factors, self.points, self.located().factors, strict=True):
            curvature = float(factor.curvature)
            limit = REACH / math.sqrt(-curvature) if curvature < 0 else math.inf
            far = point.radius > limit
            if bool(far.any()):
                x[far] = factor.to_ambient(Polar(point.direction[far], torch.full_like(point.radius[far], limit)))

    @torch.no_grad()
    def distances(self) -> Tensor:
        """All geodesic distances, (nodes, nodes)."""
        points = self.located()
        return self.space.pairwise_distance(points, points)


@torch_defaults()
def embed_graph(
    edges: Tensor,
    nodes: int,
    geometry: Geometry,
    dim: int,
    recipe: FreeRecipe | None = None,
    *,
    progress: bool = False,
) -> FreeEmbedding:
    """Place the nodes of a graph: -log softmax of -distance of each edge against drawn pairs, minimised.

    Args:
        edges: (E, 2) int64 pairs (u, v).
        nodes: how many there are.
        geometry: of fixed curvature.
        dim: dimensions of the space.
        recipe: how; the defaults of `FreeRecipe` when None.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: no edges, nodes beyond those there are, a node linked to every other one, a loss that is not finite
            any more, and as `FreeEmbedding`.

    Source: Nickel and Kiela, Poincare Embeddings (NeurIPS 2017).
    """
    recipe = recipe or FreeRecipe()
    if edges.ndim != 2 or edges.shape[1] != 2 or not len(edges):
        raise InputError(f"edges must be (E, 2) pairs of nodes, at least one, not shape {tuple(edges.shape)}.")
    if int(edges.min()) < 0 or int(edges.max()) >= nodes:
        raise InputError(f"the edges point beyond the {nodes} nodes.")
    unlinked = ~torch.eye(nodes, dtype=torch.bool)
    unlinked[edges[:, 0], edges[:, 1]] = False
    lonely = ~unlinked[edges[:, 0]].any(1)
    if bool(lonely.any()):
        raise InputError(f"node {int(edges[lonely][0, 0])} is linked to every other: none is left to draw.")
    generator = torch.Generator().manual_seed(recipe.seed)
    embedding = FreeEmbedding(geometry, nodes, dim, spread=recipe.spread, seed=recipe.seed)
    descent = geoopt().optim.RiemannianAdam(embedding.parameters(), lr=recipe.learning_rate)
    for epoch in track(range(recipe.epochs), f"placing {nodes} nodes", enabled=progress):
        for group in descent.param_groups:
            group["lr"] = recipe.rate(epoch)
        for batch in edges[torch.randperm(len(edges), generator=generator)].split(recipe.batch):
            weights = unlinked[batch[:, 0]].double()
            drawn = torch.multinomial(weights, recipe.negatives, replacement=True, generator=generator)
            others = torch.cat((batch[:, 1:], drawn), dim=1)
            descent.zero_grad(set_to_none=True)
            logits = -embedding.distance(batch[:, :1], others)
            loss = cross_entropy(logits, torch.zeros(len(batch), dtype=torch.int64))
            if not bool(loss.isfinite()):
                raise InputError(f"the loss became NaN or infinite in epoch {epoch}: lower the learning rate.")
            loss.backward()
            descent.step()
            embedding.keep_in_reach()
    return embedding
