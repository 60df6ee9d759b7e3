"""Losses of entailment cones: children in the cones of their parents, and the others outside.

Cones are those of the space's `min_radius`, unless a call names another. In a product of spaces an energy is the
largest over the factors, since a child is entailed when it is in all of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import wide
from hiergeo.geometry import Space
from hiergeo.losses import ranks
from hiergeo.losses._checks import (
    Reduction,
    check_embeddings,
    check_equal_dimensions,
    check_equal_shapes,
    check_number,
    check_reduction,
    reduced,
)


def entailment_loss(
    space: Space,
    parent: Tensor,
    child: Tensor,
    aperture_scale: float = 1.0,
    min_radius: float | None = None,
    *,
    reduction: Reduction = "mean",
) -> Tensor:
    """max(0, Xi(x_i, y_i) - aperture_scale psi(x_i)), radians.

    0 where the child lies in the cone of its parent. A learnable curvature of `space` gets a gradient; keep it in
    bounds with `clamp_curvature` after each step.

    Args:
        space: where cones open, away from its root.
        parent: (..., D), x.
        child: (..., D), y; row by row, broadcasting.
        aperture_scale: > 0; below 1 cones are narrower than the space's, above 1 wider.
        min_radius: k of the half aperture psi(x) = asin(min(1, 2 k / (s sn(r_x)))); None is that of the space.
        reduction: "mean" or "sum" over the rows, or "none".

    Returns:
        A 0-dim tensor >= 0, or with "none" (...), NaN at rows that hold NaN or Inf.

    Raises:
        InputError: dimensions that differ, rows that do not broadcast, NaN or Inf unless `reduction` is "none", an
            `aperture_scale` or a `min_radius` that is not a positive number.

    Source: Desai et al., MERU (ICML 2023); the scale is HyCoCLIP's (ICLR 2025).
    """
    check_reduction(reduction)
    check_embeddings(parent=parent, child=child, finite=reduction != "none")
    check_equal_dimensions(parent=parent, child=child)
    check_number("aperture_scale", aperture_scale, positive=True)
    return reduced(space.energy(parent, child, min_radius, aperture_scale), reduction)


def adaptive_entailment_loss(
    space: Space,
    parent: Tensor,
    child: Tensor,
    softness: float = 0.1,
    least_radius: float = 0.2,
    norm_weight: float = 1.0,
    *,
    reduction: Reduction = "mean",
) -> Tensor:
    """w_i Xi(x_i, y_i) + norm_weight max(0, least_radius - r(x_i)): entailment without an aperture.

    w_i = d_i / (d_i + softness), with d_i the distance of x_i and y_i, is a number in [0, 1) without gradient. Cones
    of a fixed min_radius become half-spaces as parents move to the root, where they entail everything and nothing is
    learnt; here there is no aperture that could open. The gradient of Xi by y grows like 1/d_i as x and y approach
    each other: the weight bounds it, so that near-identical pairs are not torn apart. The second term keeps parents
    away from the root.

    The idea (the exterior angle itself with an adaptive weight, and a norm regulariser against cone collapse) is that
    of ARGENT, Huynh et al. (arXiv 2603.23311). The weight and the regulariser are hiergeo's own formulation: the
    paper's exact formulas could not be verified.

    Args:
        space: where angles, distances and radii are taken; its root is what parents are kept from.
        parent: (..., D), x.
        child: (..., D), y; row by row, broadcasting.
        softness: > 0, geodesic units: pairs much closer than this hardly count.
        least_radius: >= 0, geodesic units; by default where cones with MERU's min_radius 0.1 open to half-spaces.
        norm_weight: >= 0, of the second term.
        reduction: "mean" or "sum" over the rows, or "none".

    Returns:
        A 0-dim tensor >= 0, or with "none" (...), NaN at rows that hold NaN or Inf.

    Raises:
        InputError: dimensions that differ, rows that do not broadcast, NaN or Inf unless `reduction` is "none",
            parameters out of range.
    """
    check_reduction(reduction)
    check_embeddings(parent=parent, child=child, finite=reduction != "none")
    check_equal_dimensions(parent=parent, child=child)
    check_number("softness", softness, positive=True)
    check_number("least_radius", least_radius)
    check_number("norm_weight", norm_weight)
    x, y = space.points(parent), space.points(child)
    apart = space.distance(x, y).detach()
    turn = apart / (apart + softness) * space.exterior_angle(x, y)
    near = (least_radius - space.radius(x)).clamp_min(0)
    if reduction == "mean":
        return turn.mean() + norm_weight * near.mean()
    return reduced(turn + norm_weight * near, reduction)


def max_margin_loss(
    space: Space,
    parent: Tensor,
    child: Tensor,
    margin: float = 0.1,
    min_radius: float | None = None,
    *,
    reduction: Reduction = "mean",
    gather: bool = True,
) -> Tensor:
    """E(x_i, y_i) plus the mean over all j != i of max(0, margin - E(x_i, y_j)), radians.

    E = max(0, Xi - psi) is the entailment energy, and every other child of the batch is a negative of x_i. Nothing of
    the size N x N is stored, forward or backward. Under `torch.distributed` the batch of (N, D) is that of all ranks
    (`hiergeo.losses.ranks`), unless `gather` is False.

    Equal parents, or equal children, in different rows are pushed apart as others are: keep them in different batches
    where the data allow it.

    Args:
        space: where cones open.
        parent: (..., N, D), x; N >= 2, and only rows that share their leading indices meet as negatives.
        child: (..., N, D), y_i the child of x_i.
        margin: > 0, radians by which other children should be outside.
        min_radius: as for `entailment_loss`.
        reduction: "mean" or "sum" over the parents, or "none".
        gather: whether the children of other ranks are negatives too.

    Returns:
        A 0-dim tensor >= 0, or with "none" (..., N), the loss of each of this rank's parents.

    Raises:
        InputError: shapes that differ, fewer than 2 rows, NaN or Inf, parameters out of range.

    Source: the max-margin loss of Ganea et al. (ICML 2018), with all other children of the batch as negatives.
    """
    check_reduction(reduction)
    check_embeddings(parent=parent, child=child)
    check_equal_shapes(parent=parent, child=child)
    check_number("margin", margin, positive=True)
    if parent.ndim < 2 or parent.shape[-2] < 2:
        raise InputError(f"parent and child must be (..., N, D) with N >= 2, not shape {tuple(parent.shape)}.")
    ranked = parent.ndim == 2 and ranks.gathers(gather)
    every = ranks.gathered(child, ranks.counts_of(child)) if ranked else child
    x, y, others = space.points(parent), space.points(every), every.shape[-2] - 1
    own = space.energy(x, space.points(child) if ranked else y, min_radius)
    lacking = wide(margin - own).clamp_min(0)
    if reduction == "none":
        negative = (space.hinge_sum(x, y, margin, min_radius) - lacking).clamp_min(0) / others
        return own + negative.to(own.dtype)
    total = (space.hinge_total(x, y, margin, min_radius) - lacking.sum(-1)).clamp_min(0)
    share = wide(own).sum() + (total / others).sum()
    if reduction == "mean":
        share = share / (len(every) if ranked else own.numel())
    return (ranks.whole(share) if ranked else share).to(own.dtype)


INTER_MODAL = 0.7
"""HyCoCLIP's aperture scale of a relation across modalities, as of a text and its image."""

INTRA_MODAL = 1.2
"""HyCoCLIP's aperture scale of a relation within a modality, as of a box and its whole image."""


class Relation(NamedTuple):
    """Parents and their children, row by row.

    Attributes:
        name: of the relation in the result.
        parent: (..., D).
        child: (..., D).
        aperture_scale: > 0, by which the cones of the parents are widened: `INTER_MODAL` or `INTRA_MODAL`.
        weight: >= 0, of its loss in the total; HyCoCLIP's is 0.5 for each of its four.
    """

    name: str
    parent: Tensor
    child: Tensor
    aperture_scale: float = INTER_MODAL
    weight: float = 0.5


class CompositionalLoss(NamedTuple):
    """The compositional loss.

    Attributes:
        total: the weighted sum, 0-dim, or row by row without a reduction; the one to call `backward` on.
        terms: the loss of each relation by its name, not weighted, radians.
    """

    total: Tensor
    terms: dict[str, Tensor]


def compositional_entailment_loss(
    space: Space, relations: Sequence[Relation], min_radius: float | None = None, *, reduction: Reduction = "mean"
) -> CompositionalLoss:
    """The weighted sum of the `entailment_loss` of every relation, each with its own aperture scale.

    HyCoCLIP has four: text over image and box text over box image (`INTER_MODAL`), box image over image and box text
    over text (`INTRA_MODAL`).

    Args:
        space: where cones open.
        relations: at least one; names differ.
        min_radius: as for `entailment_loss`.
        reduction: "mean" or "sum" over the rows of each relation, or "none", where all have equally many.

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
    terms = {relation.name: _term(space, relation, min_radius, reduction) for relation in relations}
    check_equal_shapes(**terms)
    total = torch.stack([relation.weight * terms[relation.name] for relation in relations]).sum(0)
    return CompositionalLoss(total, terms)


def _term(space: Space, relation: Relation, min_radius: float | None, reduction: Reduction) -> Tensor:
    _, parent, child, aperture_scale, _ = relation
    try:
        return entailment_loss(space, parent, child, aperture_scale, min_radius, reduction=reduction)
    except InputError as error:
        raise InputError(f"relation '{relation.name}': {error}") from error
