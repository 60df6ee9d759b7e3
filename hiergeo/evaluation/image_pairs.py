"""Entailment of images by captions: an image's own chain against the captions of other images."""

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.embedded import positions, without_images
from hiergeo.evaluation.length import rankings
from hiergeo.evaluation.metrics import CHANCE, Ranking, pep_scores
from hiergeo.evaluation.metrics.length import chain_lengths
from hiergeo.evaluation.metrics.registry import area, declare
from hiergeo.evaluation.protocols import Protocol, View, located_rows
from hiergeo.evaluation.result import Outcome, auroc_of
from hiergeo.geometry import Located, Space
from hiergeo.geometry.points import row_by_row

NEGATIVES = 100
"""Captions of other images that each image is paired with, at most."""

declare(
    *rankings("_distance", "distance", matched=False),
    area("auroc_finest", "AUROC, finest tier"),
    area("auroc_finest_margin", "AUROC, finest tier (margin)"),
    area("auroc_finest_distance", "AUROC, finest tier (distance)"),
    area("auroc_text_alone", "AUROC, text alone", None, depends_on_curvature=False),
)


class ImagePairs(NamedTuple):
    """For each chain with an image: the image's position, the captions, and k captions that are false of it."""

    image: list[int]
    positive: list[tuple[str, ...]]
    negative: list[tuple[str, ...]]


def image_pairs(hierarchy: Hierarchy) -> ImagePairs:
    """The pairs of hyper3-clip's HierarCaps task: (image, caption of its own chain) and (image, other caption).

    The negatives of a row are the most specific captions of the rows of other images, in the order of the data, without
    captions of the row's own chain, and of these the first `NEGATIVES`. Every row gets equally many: where some row has
    fewer, all get as few.

    Raises:
        InputError: no row has an image, or some row has no caption of another image.

    Source: the evaluation code of hyper3-clip (MIT); its published run has 4,000 positives and 100,000 negatives.
    """
    position = {image.image_id: at for at, image in enumerate(hierarchy.images)}
    rows = [row for row in hierarchy.rows if row.image_id in position]
    if not rows:
        raise InputError(f"the {hierarchy.split} split of {hierarchy.name} has no images to pair with captions.")
    negatives = []
    for row in rows:
        others = (r.positive[-1] for r in rows if r.image_id != row.image_id and r.positive[-1] not in row.positive)
        negatives.append(list(islice(others, NEGATIVES)))
    count = min(map(len, negatives))
    if count == 0:
        raise InputError(f"{hierarchy.name} has no captions of other images to serve as negatives: give more rows.")
    return ImagePairs(
        [position[row.image_id] for row in rows if row.image_id is not None],
        [row.positive for row in rows],
        [tuple(captions[:count]) for captions in negatives],
    )


@final
class ImageEntailment(Protocol):
    """Does the cone of a caption tell the image it describes from others: hyper3-clip's HierarCaps task.

    The caption is the general point, at which the exterior angle phi is taken, and the image the specific one. Scores
    are the probability max(1 - 2 phi / pi, 0), which is hyper3-clip's default and ARGENT's (PEP), and the cone margin
    (half aperture of the caption minus phi), which hyper3-clip's published figures were made with.
    """

    name = "hyper3"

    def check(self, model: Model, hierarchy: Hierarchy, space: Space) -> None:
        if not (model.has_images and hierarchy.images):
            why = without_images(model.name, not model.has_images, hierarchy)
            raise InputError(f"the hyper3 protocol pairs captions with images, and {why}: use 'pairs'.")
        image_pairs(hierarchy)

    def run(self, view: View, steps: int, progress: bool) -> Outcome:
        """AUROC, average precision and the share of ties by both scores; in a product by the margin alone.

        Beside them stand two controls, for three of the four tiers of the positives are more general than all
        negatives: ``auroc_finest`` keeps to the most specific tier, and ``auroc_text_alone`` scores captions by minus
        their radius, whatever the image. ``_distance`` metrics score by minus the distance, which knows no direction.
        """
        space = view.space
        scores: dict[str, Score] = {"_margin": space.margin, "_distance": lambda x, y: -space.distance(x, y)}
        if space.geometry.dim is None:
            scores = {"": lambda x, y: angle_probability(space.exterior_angle(x, y))} | scores
        return score_image_pairs(view, scores)


Score = Callable[[Located, Located], Tensor]
"""A row-wise score of captions and images."""


def angle_probability(angle: Tensor) -> Tensor:
    """The score of `hiergeo.evaluation.metrics.pep_scores`."""
    return torch.from_numpy(pep_scores(angle.cpu().double().numpy()))


def score_image_pairs(view: View, scores: dict[str, Score]) -> Outcome:
    """Rankings of the pairs of a view by scores, named by the ending of their metrics, and by captions alone."""
    embedded = view.embedded
    pairs = image_pairs(embedded.hierarchy)
    positive, negative = (
        positions(embedded.texts, chains, embedded.captions.device) for chains in (pairs.positive, pairs.negative)
    )
    image = torch.tensor(pairs.image).to(positive.device)
    lengths = [-chain_lengths(chains) for chains in (pairs.positive, pairs.negative)]
    outcome, rows = Outcome(), len(image)

    def add_auroc(name: str, ranking: Ranking, length: Ranking) -> None:
        outcome.add(f"auroc{name}", auroc_of(ranking, rows), chance=CHANCE, length=length.auroc())
        outcome.rocs[f"auroc{name}"] = ranking.roc()

    whole, finest = Ranking(lengths[0], lengths[1]), Ranking(lengths[0][:, -1:], lengths[1])
    for name, score in scores.items():
        true, false = (_scored(score, view, captions, image) for captions in (positive, negative))
        outcome.add_ranking(name, Ranking(true, false), rows)
        precision = {"chance": true.size / (true.size + false.size), "length": whole.average_precision()}
        outcome.baselines[f"auroc{name}"] = {"chance": CHANCE, "length": whole.auroc()}
        outcome.baselines[f"average_precision{name}"] = precision
        add_auroc(f"_finest{name}", Ranking(true[:, -1:], false), finest)
    radius = view.space.radius(view.text).cpu().double().numpy()
    true, false = (-radius[captions.cpu().numpy()] for captions in (positive, negative))
    add_auroc("_text_alone", Ranking(true, false), whole)
    return outcome


def _scored(score: Score, view: View, captions: Tensor, image: Tensor) -> np.ndarray:
    """(n, T) scores of the captions (n, T) with the image (n,) of their row."""
    assert view.embedded.image is not None
    images = view.space.points(view.embedded.image)

    def of(i: Tensor, j: Tensor) -> Tensor:
        return score(located_rows(view.captions, i), images.rows(j))

    scores = row_by_row(of, captions.flatten(), image.repeat_interleave(captions.shape[1]))
    return scores.view(captions.shape).cpu().numpy()
