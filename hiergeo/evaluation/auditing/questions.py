"""The five questions put to the points of a space, without the rest of an audit."""

from collections.abc import Sequence

import numpy as np
import torch

from hiergeo.evaluation import Embedded
from hiergeo.evaluation.answers import (
    QUESTIONS,
    Answer,
    Question,
    cones_answer,
    curvature_answer,
    inapplicable,
    length_answer,
    order_answer,
    radii_answer,
)
from hiergeo.evaluation.auditing.gains import Gains, gains
from hiergeo.evaluation.auditing.operating import Occupancy, occupancy, operating_point
from hiergeo.evaluation.auditing.subject import Subject, array, subject_of
from hiergeo.evaluation.metrics.length import word_count
from hiergeo.evaluation.metrics.order import order_at_equal_length, order_of_tiers
from hiergeo.evaluation.metrics.sharing import Sharing, mean_test
from hiergeo.evaluation.protocols import levelled
from hiergeo.geometry import Space


@torch.no_grad()
def answers_of(
    embedded: Embedded, space: Space, requested: Sequence[Question] = QUESTIONS, *, seed: int = 0
) -> dict[str, Answer]:
    """Answer questions about embeddings in a space, around the model's root unless it has one of its own.

    Raises:
        InputError: as `hiergeo.audit`.
    """
    return questions(subject_of(embedded, space), requested, seed=seed)


def questions(
    subject: Subject,
    requested: Sequence[Question] = QUESTIONS,
    *,
    cones: Occupancy | None = None,
    ranked: Gains | None = None,
    seed: int,
) -> dict[str, Answer]:
    """The answers about a subject, from what its cones hold and how it ranks parents, where that was measured.

    `seed` is of permutations, samples of pairs and halves.
    """
    radii, chains = levelled(array(subject.text.radius)), subject.embedded.chains.cpu().numpy()
    answers: dict[str, Answer] = {}
    if not {"order", "beyond_length"}.isdisjoint(requested):
        answers["order"] = order_answer(order_of_tiers(radii, chains, seed=seed) if np.ptp(radii) else None)
    if "beyond_length" in requested:
        texts = subject.embedded.texts
        words, characters = (np.array(list(map(length, texts))) for length in (word_count, len))
        at_equal = order_at_equal_length(radii, chains, words, characters, seed=seed)
        answers["beyond_length"] = length_answer(at_equal, answers["order"])
    measures = subject.space.geometry.measures
    if len(torch.unique(subject.parents[subject.parents != subject.children])) < 2:
        star = inapplicable("All pairs have one parent, whose position alone would decide.")
        answers |= {"radii": star, "curvature": star}
    elif "distance" in measures and ("radii" in requested or any(subject.curvatures)):
        ranked = ranked or gains(subject, seed=seed)
        answers |= {"radii": radii_answer(ranked.of_radii), "curvature": curvature_answer(ranked.of_curvature)}
    else:
        answers |= {"radii": radii_answer(None), "curvature": curvature_answer(None)}
    if "cones" in requested and "margin" not in measures:
        answers["cones"] = inapplicable("The space has no entailment.")
    elif "cones" in requested:
        saturated = operating_point(subject).numbers.get("cone_saturated", 0.0)
        answers["cones"] = _of_cones(subject, cones or occupancy(subject), saturated)
    return {question: answers[question] for question in QUESTIONS if question in requested}


def _of_cones(subject: Subject, cones: Occupancy, saturated: float) -> Answer:
    """The items are the distinct pairs of a child and its parent, not the chains, which repeat them."""
    pairs = np.stack([array(ends).ravel() for ends in (subject.parents, subject.children)], axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    true, matched = (values.ravel()[first] for values in cones)
    fair = ~np.isnan(true)
    if not fair.any():
        return inapplicable("No caption can be matched to any child: give chains of at least two branches.")
    sharing, true, matched = Sharing(pairs[fair]), true[fair], matched[fair]
    held, others = (mean_test(sharing, 2 * share - 1).as_share for share in (true, matched))
    return cones_answer(held, others, mean_test(sharing, true - matched), saturated)
