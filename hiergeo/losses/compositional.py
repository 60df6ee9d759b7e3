"""Compositional entailment: several relations of parents and children at once, each with cones of its own width."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hiergeo.errors import InputError
from hiergeo.geometry import Space
from hiergeo.losses._checks import check_number
from hiergeo.losses.entailment import entailment_loss

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
