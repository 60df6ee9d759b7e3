"""How close chains are to corrected ones of the same images, text by text; the benchmark of construction shows it."""

from collections.abc import Callable, Sequence

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.construction.agreement import content_words
from hiergeo.construction.drafts import normalised
from hiergeo.construction.pooling import Ratio, by_tier, coco_image, declare_rates, rate
from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.hierarchy import distinct

Vectors = Callable[[Sequence[str]], np.ndarray]
"""Unit embeddings (n, D) of n texts."""

declare_rates(
    rate("reference_equal", "equal to the reference"),
    rate("reference_same", "equal to the reference but for case"),
    rate("reference_overlap", "words shared with the reference"),
    rate("reference_similarity", "similarity to the reference", bounds=(-1.0, 1.0), measures="cosine"),
)


def reference_rates(chains: Hierarchy, reference: Hierarchy, vectors: Vectors | None) -> dict[str, Ratio]:
    """Closeness of each text to the texts of reference chains of its image, the best one counting.

    Where both have equally many tiers a text is compared with those of its own tier, otherwise with those of all.
    ``reference_equal``: share of equal texts; ``reference_same``: of texts equal when `normalised`;
    ``reference_overlap``: shared content words divided by all of both; ``reference_similarity``: cosine of embeddings.
    The most specific tier, which is the caption itself, counts in none of the rates over all tiers; rows of other
    images count nowhere, nor do images that are none of MS-COCO's.

    Args:
        chains: n rows.
        reference: chains of some of the same images.
        vectors: embeds texts; None leaves the cosine out.

    Raises:
        InputError: the two have no image in common.
    """
    truths: dict[int, list[Row]] = {}
    for row in reference.rows:
        if (number := coco_image(reference, row)) is not None:
            truths.setdefault(number, []).append(row)
    of = [[] if (number := coco_image(chains, row)) is None else truths.get(number, []) for row in chains.rows]
    if not any(of):
        raise InputError(
            f"{reference.name} {reference.split} has no image in common with {chains.name} {chains.split}: "
            "a reference needs chains of the same images, which are told by their numbers in MS-COCO."
        )
    level = chains.tiers == reference.tiers
    pairs = [
        [
            [text for truth in rows for text in (truth.positive[tier : tier + 1] if level else truth.positive)]
            for tier in range(chains.tiers)
        ]
        for rows in of
    ]
    known = np.array([[bool(rows)] * chains.tiers for rows in of], dtype=float)

    def best(score: Callable[[str, str], float], texts: Sequence[str], others: Sequence[Sequence[str]]) -> list[float]:
        return [max((score(text, each) for each in of), default=0.0) for text, of in zip(texts, others, strict=True)]

    scores: dict[str, Callable[[str, str], float]] = {
        "reference_equal": lambda a, b: float(a == b),
        "reference_same": lambda a, b: float(normalised(a) == normalised(b)),
        "reference_overlap": overlap,
    }
    if vectors is not None:
        compared = (text for row, rows in zip(chains.rows, of, strict=True) if rows for text in row.positive)
        truth = (text for rows in truths.values() for row in rows for text in row.positive)
        scores["reference_similarity"] = _cosine(distinct((*compared, *truth)), vectors)
    rates: dict[str, Ratio] = {}
    for name, score in scores.items():
        reached = np.array([best(score, row.positive, others) for row, others in zip(chains.rows, pairs, strict=True)])
        rates |= by_tier(name, reached, known)
        rates[name] = Ratio(reached[:, :-1].sum(axis=1), known[:, :-1].sum(axis=1))
    return rates


def overlap(a: str, b: str) -> float:
    """Content words that two texts share divided by those of either, in [0, 1]; 0 where neither has any."""
    left, right = content_words(a), content_words(b)
    return len(left & right) / len(left | right) if left or right else 0.0


def _cosine(texts: Sequence[str], vectors: Vectors) -> Callable[[str, str], float]:
    place = {text: index for index, text in enumerate(texts)}
    embedded = vectors(texts)
    return lambda a, b: float(embedded[place[a]] @ embedded[place[b]])
