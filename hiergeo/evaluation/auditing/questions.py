"""The five questions put to the points of a space, without the rest of an audit."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo.evaluation import Embedded
from hiergeo.evaluation.answers import (
    Answer,
    cones_answer,
    curvature_answer,
    inapplicable,
    length_answer,
    order_answer,
    radii_answer,
)
from hiergeo.evaluation.auditing.gains import gains
from hiergeo.evaluation.auditing.operating import Occupancy, occupancy, operating_point
from hiergeo.evaluation.auditing.subject import Subject, array, subject_of
from hiergeo.evaluation.metrics.order import order_at_equal_length, order_of_tiers
from hiergeo.evaluation.metrics.sharing import Sharing, mean_test
from hiergeo.geometry import Space


class CaptionLengths(NamedTuple):
    """Lengths (U,) of the distinct captions of the positive chains, in words and in characters."""

    words: NDArray[np.int64]
    characters: NDArray[np.int64]

    @classmethod
    def of(cls, embedded: Embedded) -> "CaptionLengths":
        """Those of embeddings."""
        words, characters = zip(*((len(text.split()), len(text)) for text in embedded.texts), strict=True)
        return cls(np.array(words), np.array(characters))


@torch.no_grad()
def answers_of(embedded: Embedded, space: Space, *, seed: int = 0) -> dict[str, Answer]:
    """Answer the five questions about embeddings in a space; errors as those of `hiergeo.audit`."""
    subject = subject_of(embedded, space)
    saturated = operating_point(subject).numbers["cone_saturated"]
    return questions(subject, occupancy(subject), saturated, seed=seed)


def questions(subject: Subject, cones: Occupancy, saturated: float, *, seed: int) -> dict[str, Answer]:
    """The answers about a subject whose cones have been looked into.

    Args:
        subject: the points.
        cones: what they hold.
        saturated: share of them that are half-spaces.
        seed: of permutations, samples and halves.
    """
    radii, chains = array(subject.text.radius), subject.embedded.chains.cpu().numpy()
    lengths = CaptionLengths.of(subject.embedded)
    by_radii, by_curvature = gains(subject, seed=seed)
    return {
        "order": order_answer(order_of_tiers(radii, chains, seed=seed)),
        "beyond_length": length_answer(order_at_equal_length(radii, chains, *lengths, seed=seed)),
        "radii": radii_answer(by_radii),
        "curvature": curvature_answer(by_curvature),
        "cones": _of_cones(chains, cones, saturated),
    }


def _of_cones(chains: NDArray[np.int64], cones: Occupancy, saturated: float) -> Answer:
    rows = ~np.isnan(cones.true)
    if not rows.any():
        return inapplicable("No caption can be matched to any child: give chains of at least two branches.")
    sharing, true, matched = Sharing(chains[rows]), cones.true[rows], cones.matched[rows]
    held, others, gain = (mean_test(sharing, values) for values in (true, matched, true - matched))
    return cones_answer(held, others, gain, saturated)
