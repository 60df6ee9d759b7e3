"""Attribution: metrics of hierarchy measured again from angles alone, from radii alone, and without curvature."""

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from hiergeo.evaluation.auditing.record import PRIMARY
from hiergeo.evaluation.auditing.subject import Subject, angles_alone, array, flattened, radii_alone
from hiergeo.evaluation.metrics import Ranking, ladder, ladder_scores, tau_d_rows
from hiergeo.evaluation.protocols import pair_scores
from hiergeo.evaluation.result import Statistic, auroc_of, average_precision_of, mean_of
from hiergeo.geometry import Located

CONTROLS: MappingProxyType[str, Callable[[Subject], Subject]] = MappingProxyType(
    {"angle_only": angles_alone, "radius_only": radii_alone, "flat": flattened}
)
"""What each control makes of the points."""


def attribute(subject: Subject, steps: int, *, progress: bool = False) -> dict[str, dict[str, Statistic]]:
    """Metrics of the points as they are, ``native``, and of what every control makes of them, over the same items.

    What a control settles by construction is left out: tau_d, which is of radii alone; ladders where all radii are
    equal, which hold a single caption; and the control ``flat`` of a space without curvature. Where radii are no
    lengths of embeddings neither they nor angles can be held fixed.
    """
    order = mean_of(tau_d_rows(subject.radii), subject.embedded.sharing)
    measured = {"native": {"tau_d": order, **hierarchy_metrics(subject, steps, progress=progress)}}
    for name, change in CONTROLS.items():
        if any(subject.curvatures) if name == "flat" else subject.radial:
            ladders = steps if name != "angle_only" else None
            measured[name] = hierarchy_metrics(change(subject), ladders, progress=progress)
    return measured


def hierarchy_metrics(subject: Subject, steps: int | None, *, progress: bool = False) -> dict[str, Statistic]:
    """Every metric of hierarchy that the data allow; without ladders where `steps` is None.

    `parent_mrr` (see `parent_ranks`); with negative chains `auroc` and `average_precision` of children against
    contradicting captions (p_i, n_i), by -Xi, by radii where angles say nothing (`radii_alone`), in a product or a
    law by the margin; with images `precision` and `recall` of ladders.
    """
    reciprocal = (1 / (1 + parent_ranks(subject))).mean(axis=1)
    embedded = subject.embedded
    measured = {PRIMARY: mean_of(reciprocal, embedded.sharing)}
    if embedded.contradicting is not None and "margin" in subject.space.geometry.measures:
        measured |= _pair_metrics(subject)
    if subject.image is not None and steps is not None:
        indices = subject.space.ladder(subject.image, subject.text, steps, progress=progress)
        ladders = [ladder(row, embedded.texts) for row in indices.cpu().numpy()]
        precision, recall = (
            mean_of(scores, embedded.image_sharing) for scores in ladder_scores(ladders, embedded.truths)
        )
        measured |= {"precision": precision, "recall": recall}
    return measured


def _pair_metrics(subject: Subject) -> dict[str, Statistic]:
    assert subject.embedded.contradicting is not None
    parent, wrong = subject.parents, subject.embedded.contradicting[:, :-1]

    def score(x: Located, y: Located) -> Tensor:
        by_angle = "angle" in subject.space.geometry.measures and len(subject.captions.factors) == 1
        return -subject.space.exterior_angle(x, y) if by_angle else subject.space.margin(x, y)

    if subject.one_direction:
        radius = subject.captions.radius
        true, false = (radius[below] - radius[parent] for below in (subject.children, wrong))
    else:
        true, false = (pair_scores(score, subject.captions, parent, below) for below in (subject.children, wrong))
    ranking = Ranking(array(true), array(false))
    rows = len(parent)
    return {
        "auroc": auroc_of(ranking, rows, subject.embedded.sharing),
        "average_precision": average_precision_of(ranking, rows, subject.embedded.sharing),
    }


def parent_ranks(subject: Subject) -> np.ndarray:
    """(n, T - 1): how many other captions come before its parent when a child orders all captions by distance.

    The captions are the distinct ones of the positive chains, without the child itself. Equal distances go to the lower
    position; a parent that is the child's own caption has rank 0.
    """
    size = len(subject.embedded.texts)
    pairs, pair_of = torch.unique(subject.children * size + subject.parents, return_inverse=True)
    return ranks_of_parents(subject, pairs // size, pairs % size)[pair_of.cpu().numpy()]


def ranks_of_parents(subject: Subject, child: Tensor, parent: Tensor) -> np.ndarray:
    """(P,): those ranks of pairs of a child and its parent, positions (P,) among the captions."""
    ranks = subject.space.rank(subject.captions.rows(child), subject.text, parent, by="distance")
    level = torch.stack([factor.radius[child] == factor.radius[parent] for factor in subject.text.factors]).all(0)
    ahead = torch.ones_like(level)  # whether the child comes before its parent
    if bool(level.any()):
        apart = pair_scores(subject.space.distance, subject.captions, child[level], parent[level])
        ahead[level] = (apart > 0) | (child < parent)[level]
    itself = (child != parent) & ahead
    return array((ranks - itself.long()).clamp_min(0).masked_fill(child == parent, 0))
