"""Losses of entailment cones: children in the cones of their parents, and the others outside."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo import pairwise
from hiergeo._numerics import wide
from hiergeo.errors import InputError
from hiergeo.geometry import Space
from hiergeo.losses._checks import check_embeddings, check_equal_dimensions, check_equal_shapes, check_number
from hiergeo.losses._factors import energy, exterior_angle
from hiergeo.pairwise import rows

INTER_MODAL = 0.7
"""HyCoCLIP's aperture scale of a relation across modalities, as of a text and its image."""

INTRA_MODAL = 1.2
"""HyCoCLIP's aperture scale of a relation within a modality, as of a box and its whole image."""


class Relation(NamedTuple):
    """Parents and their children, row by row.

    Attributes:
        name: what the relation is called in the result.
        parent: (..., D).
        child: (..., D).
        aperture_scale: > 0, how much wider than drawn the cones of the parents are: `INTER_MODAL` or `INTRA_MODAL`.
        weight: >= 0, of its loss in the total; HyCoCLIP's is 0.5 for each of its four.
    """

    name: str
    parent: Tensor
    child: Tensor
    aperture_scale: float = INTER_MODAL
    weight: float = 0.5


class CompositionalLoss(NamedTuple):
    """The compositional loss, 0-dim tensors.

    Attributes:
        total: the weighted sum; the one to call `backward` on.
        terms: the loss of each relation by its name, not weighted, radians.
    """

    total: Tensor
    terms: dict[str, Tensor]


def compositional_entailment_loss(
    relations: Sequence[Relation], space: Space, min_radius: float = 0.1
) -> CompositionalLoss:
    """The weighted sum of the `entailment_loss` of every relation, each at its own aperture scale.

    HyCoCLIP has four: text over image and box text over box image (`INTER_MODAL`), box image over image and box text
    over text (`INTRA_MODAL`).

    Args:
        relations: at least one; names differ.
        space: where cones open.
        min_radius: as for `entailment_loss`.

    Raises:
        InputError: no relations, a name twice, a negative weight, and whatever `entailment_loss` refuses.

    Source: Pal et al., HyCoCLIP (ICLR 2025).
    """
    names = [relation.name for relation in relations]
    if not names:
        raise InputError("relations is empty: name at least one Relation(name, parent, child).")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"the relation '{min(twice)}' is named twice: give each its own name.")
    for relation in relations:
        check_number(f"the weight of relation '{relation.name}'", relation.weight)
    terms = {relation.name: _term(relation, space, min_radius) for relation in relations}
    total = torch.stack([relation.weight * terms[relation.name] for relation in relations]).sum()
    return CompositionalLoss(total, terms)


def _term(relation: Relation, space: Space, min_radius: float) -> Tensor:
    try:
        return entailment_loss(relation.parent, relation.child, space, relation.aperture_scale, min_radius)
    except InputError as error:
        raise InputError(f"relation '{relation.name}': {error}") from error


def entailment_loss(
    parent: Tensor, child: Tensor, space: Space, aperture_scale: float = 1.0, min_radius: float = 0.1
) -> Tensor:
    """Mean of max(0, Xi(x_i, y_i) - aperture_scale psi(x_i)), radians, a 0-dim tensor.

    0 where every child lies in the cone of its parent. A learnable curvature of `space` gets a gradient; keep it in
    bounds with `clamp_curvature` after each step. In a product it is the largest over the factors, the child being
    entailed when it is in all of them.

    Args:
        parent: (..., D), x.
        child: (..., D), y; row by row, broadcasting.
        space: where cones open, away from its root.
        aperture_scale: > 0; below 1 cones are stricter than they are drawn, above 1 more lenient.
        min_radius: k of the half aperture psi(x) = asin(min(1, 2 k / (s sn(r_x)))).

    Raises:
        InputError: dimensions that differ, rows that do not broadcast, NaN or Inf, an `aperture_scale` or a
            `min_radius` that is not a positive number.

    Source: Desai et al., MERU (ICML 2023); the scale is HyCoCLIP's (ICLR 2025).
    """
    check_embeddings(parent=parent, child=child)
    check_equal_dimensions(parent=parent, child=child)
    check_number("aperture_scale", aperture_scale, positive=True)
    return energy(space, parent, child, aperture_scale, min_radius).mean()


def adaptive_entailment_loss(
    parent: Tensor,
    child: Tensor,
    space: Space,
    softness: float = 0.1,
    least_radius: float = 0.2,
    norm_weight: float = 1.0,
) -> Tensor:
    """Mean of w_i Xi(x_i, y_i) + norm_weight max(0, least_radius - r(x_i)), a 0-dim tensor.

    w_i = d_i / (d_i + softness), with d_i the distance of x_i and y_i, is a number in [0, 1) without gradient. Cones
    of a fixed min_radius open to half-spaces as parents move to the root, where everything is entailed and nothing is
    learnt; here there is no aperture to open. The gradient of Xi by y grows like 1/d_i as the pair closes up: the
    weight bounds it, so that near-identical pairs are not torn apart, and the second term keeps parents away from the
    root.

    The idea (the exterior angle itself with an adaptive weight, and a norm regulariser against cone collapse) is that
    of ARGENT, Huynh et al. (arXiv 2603.23311). The weight and the regulariser are hiergeo's own formulation: the
    paper's exact formulas could not be verified.

    Args:
        parent: (..., D), x.
        child: (..., D), y; row by row, broadcasting.
        space: where angles, distances and radii are taken; its root is what parents are kept from.
        softness: > 0, geodesic units: pairs much closer than this hardly count.
        least_radius: >= 0, geodesic units; by default where cones with MERU's min_radius 0.1 open to half-spaces.
        norm_weight: >= 0, of the second term.

    Raises:
        InputError: dimensions that differ, rows that do not broadcast, NaN or Inf, parameters out of range.
    """
    check_embeddings(parent=parent, child=child)
    check_equal_dimensions(parent=parent, child=child)
    check_number("softness", softness, positive=True)
    check_number("least_radius", least_radius)
    check_number("norm_weight", norm_weight)
    apart = space.distance(parent, child).detach()
    turn = apart / (apart + softness) * exterior_angle(space, parent, child)
    near = (least_radius - space.radius(parent)).clamp_min(0)
    return turn.mean() + norm_weight * near.mean()


def max_margin_loss(
    parent: Tensor, child: Tensor, space: Space, margin: float = 0.1, min_radius: float = 0.1
) -> Tensor:
    """Mean of E(x_i, y_i) plus the mean over all i != j of max(0, margin - E(x_i, y_j)), radians, a 0-dim tensor >= 0.

    E = max(0, Xi - psi) is the entailment energy, and every other child of the batch is a negative of x_i. Nothing of
    the size N x N is stored, forward or backward: the second sum is `pairwise.hinge_total` less the own pairs, and its
    gradients are formed along with it.

    Equal parents, or equal children, in different rows are pushed apart as others are: keep them in different batches
    where the data allow it.

    Args:
        parent: (..., N, D), x; N >= 2, and only rows that share their leading indices meet as negatives.
        child: (..., N, D), y_i the child of x_i.
        space: where cones open; not a product, whose energy is the largest over its factors and so no sum of theirs.
        margin: > 0, radians by which other children should be outside.
        min_radius: as for `entailment_loss`.

    Raises:
        InputError: shapes that differ, fewer than 2 rows, a product, NaN or Inf, parameters out of range.

    Source: the max-margin loss of Ganea et al. (ICML 2018), with all other children of the batch as negatives.
    """
    check_embeddings(parent=parent, child=child)
    check_equal_shapes(parent=parent, child=child)
    check_number("margin", margin, positive=True)
    if parent.ndim < 2 or parent.shape[-2] < 2:
        raise InputError(f"parent and child must be (..., N, D) with N >= 2, not shape {tuple(parent.shape)}.")
    if len(space.geometry.parts(parent.shape[-1])) > 1:
        raise InputError(
            f"the max-margin loss sums energies over all pairs, and those of {space.geometry.spec} are no sums over "
            "its factors: use a single geometry, or entailment_loss."
        )
    ((geometry, _),) = space.geometry.parts(parent.shape[-1])
    x, y, curvature = space.polar(parent), space.polar(child), geometry.curvature
    aperture = pairwise.half_aperture(x.radius, curvature, min_radius)
    own = (rows.exterior_angle(x, y, curvature) - aperture).clamp_min(0)
    lacking = pairwise.hinge_total(x, y, curvature, margin, min_radius) - wide(margin - own).clamp_min(0).sum(-1)
    count = own.shape[-1]
    others = lacking.clamp_min(0) / (count * (count - 1))
    return own.mean() + others.mean().to(own.dtype)
