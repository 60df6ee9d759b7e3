"""What the tests of losses share: geometries, batches of chains, and the angles of the oracle around a root."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hiergeo import Euclidean, Lorentz, PoincareBall, Polar, Product, Space, Sphere, losses
from hiergeo.testing import oracle

SINGLE = (Euclidean(), Lorentz(-0.3), PoincareBall(-2.3), Sphere(0.05))
DIM = 6
PRODUCT = Product([(Lorentz(-0.7), 2), (Euclidean(), 2), (Sphere(0.05), 2)])
EVERY = (*SINGLE, PRODUCT)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def chains(items: int = 3, tiers: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Unit chains (items, tiers, DIM)."""
    return torch.nn.functional.normalize(normal(items, tiers, DIM, seed=seed), dim=-1).to(dtype)


def nested(items: int = 3, tiers: int = 4, root: Tensor | None = None) -> Tensor:
    """Chains (items, tiers, DIM) along one ray from the root each, at the radii 0.5, 0.8, ..."""
    radius = 0.5 + 0.3 * torch.arange(tiers, dtype=torch.float64)
    ray = torch.nn.functional.normalize(normal(items, 1, DIM, seed=9), dim=-1) * radius[:, None]
    return ray if root is None else root + ray


def rotation(seed: int = 0) -> Tensor:
    return torch.linalg.qr(normal(DIM, DIM, seed=seed))[0]


def oracle_angle(x: Tensor, y: Tensor, root: Tensor, curvature: float) -> Tensor:
    return oracle.exterior_angle(_rays(x - root), _rays(y - root), curvature)


def _rays(v: Tensor) -> Polar:
    return Polar(v, torch.linalg.vector_norm(v, dim=-1))


Loss = Callable[..., Tensor]


def compositional_loss(space: Space, x: Tensor, y: Tensor, **options: Any) -> Tensor:
    relations = [losses.Relation("one", x, y), losses.Relation("other", y, x, losses.INTRA_MODAL)]
    return losses.compositional_entailment_loss(space, relations, **options).total


def transitivity_loss(space: Space, x: Tensor, y: Tensor, **options: Any) -> Tensor:
    chain = torch.stack((x, y, x.roll(1, -1), y.roll(2, -1)), -2) / 4
    return losses.transitivity_loss(space, chain, 0.5, **options)


LOSSES: dict[str, Loss] = {
    "radius_order": lambda space, x, y, **o: losses.radius_order_loss(space, torch.stack((x, y), -2), **o),
    "entailment": losses.entailment_loss,
    "compositional": compositional_loss,
    "adaptive_entailment": losses.adaptive_entailment_loss,
    "transitivity": transitivity_loss,
    "contrastive": losses.contrastive_loss,
    "max_margin": lambda space, x, y, **o: losses.max_margin_loss(space, x, y, 0.7, **o),
}
"""Losses of two point sets (N, D) in a space; the RE loss and the prior take no space."""
