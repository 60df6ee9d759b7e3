"""What the lengths of captions alone achieve in each protocol, and what a model achieves where lengths cannot help.

Every result carries these baselines, since specific captions are longer: whatever grows with the number of words orders
tiers, climbs ladders and tells a child from an unrelated text. See `evaluation.metrics.length` for the definitions.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.metrics import Ranking, any_hit, ladder, ladder_scores, tau_d
from hiergeo.evaluation.metrics.length import chain_lengths, tier_pairs, word_count
from hiergeo.evaluation.metrics.matching import CHANCE, MatchedRanking
from hiergeo.evaluation.result import Statistic
from hiergeo.geometry import Located, Points, Space

LENGTH = "length"
"""Name of the baseline that counts words."""

CHARACTERS = "characters"
"""Name of the baseline that counts characters."""


def baseline_name(name: str) -> str:
    """A baseline for readers: ``length`` is "words alone", ``random_mistakes`` "random mistakes"."""
    return {LENGTH: "words alone", CHARACTERS: "characters alone"}.get(name, name.replace("_", " "))


class PairLengths(NamedTuple):
    """Numbers of words of chains.

    Attributes:
        positive: (n, T).
        negative: (n, T), of the contradicting chains.
    """

    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, hierarchy: Hierarchy) -> "PairLengths":
        """The lengths of a hierarchy that has contradicting chains."""
        positive = chain_lengths(row.positive for row in hierarchy.rows)
        return cls(positive, chain_lengths(row.negative or () for row in hierarchy.rows))


@dataclass(frozen=True)
class Measured:
    """Statistics and baselines to add to an `Outcome`.

    Attributes:
        statistics: metric -> statistic that is resampled.
        baselines: metric -> baseline by name -> value.
    """

    statistics: dict[str, Statistic]
    baselines: dict[str, dict[str, float]]


def order_and_length(radii: np.ndarray, hierarchy: Hierarchy) -> Measured:
    """`tau_d_equal_length`, where there are tiers of equal length, and the baselines of it and of `tau_d`.

    Args:
        radii: (n, T) radii of the positive chains.
        hierarchy: whose chains they are.
    """
    chains = [row.positive for row in hierarchy.rows]
    words, characters = chain_lengths(chains), chain_lengths(chains, "characters")
    baselines = {"tau_d": {LENGTH: tau_d(words), CHARACTERS: tau_d(characters)}}
    equal = tier_pairs(radii, words, "equal").measurable
    if not len(equal.pairs):
        return Measured({}, baselines)
    by_characters = tier_pairs(characters, words, "equal").tau()
    baselines["tau_d_equal_length"] = {LENGTH: 0.0, CHARACTERS: by_characters}
    return Measured({"tau_d_equal_length": Statistic(len(equal.pairs), equal.tau)}, baselines)


def matched_by_length(
    name: str, true: np.ndarray, false: np.ndarray, lengths: PairLengths, *, sibling: bool
) -> Measured:
    """AUROC and AP of pairs with lengths matched, and what lengths alone achieve with and without.

    A pair (parent, child) is matched to those whose parent and whose child have as many words. The baseline of the
    unmatched metrics ranks pairs by how many words the child has more than its parent.

    Args:
        name: suffix of the metrics, such as ``_margin_sibling``.
        true: (n, T - 1) scores of the pairs (p_i, p_{i+1}).
        false: (n, T - 1) scores of the pairs (p_i, n_i), or (p_i, n_{i+1}).
        lengths: of the chains.
        sibling: whether the second kind.
    """
    parent, child = lengths.positive[:, :-1], lengths.positive[:, 1:]
    wrong = lengths.negative[:, 1:] if sibling else lengths.negative[:, :-1]
    alone = Ranking(child - parent, wrong - parent)
    baselines = {
        f"auroc{name}": {LENGTH: alone.auroc()},
        f"average_precision{name}": {LENGTH: alone.average_precision()},
    }
    matched = MatchedRanking(true, false, np.stack([parent, child], axis=-1), np.stack([parent, wrong], axis=-1))
    if not matched.pairs:
        return Measured({}, baselines)
    statistics = {
        f"auroc{name}_equal_length": Statistic(len(true), matched.auroc),
        f"average_precision{name}_equal_length": Statistic(len(true), matched.average_precision),
    }
    return Measured(statistics, baselines | {each: {LENGTH: CHANCE} for each in statistics})


def ladders_by_length(
    image: Tensor,
    captions: Located,
    texts: tuple[str, ...],
    truths: list[list[tuple[str, ...]]],
    space: Space,
    steps: int,
) -> dict[str, dict[str, float]]:
    """Baselines of ladders: the nearest captions under growing limits on words instead of on the radius.

    The limits run evenly from the fewest to the most words of all captions, both included.

    Args:
        image: (m, D) embeddings of the images.
        captions: (U, D) of `texts`.
        texts: the captions.
        truths: the true chains of each image.
        space: whose distance says what is nearest.
        steps: number of limits.

    Returns:
        ``precision``, ``recall`` and ``any_hit``, each with its baseline ``length``.
    """
    met = nearest_within(image, captions, np.array([word_count(text) for text in texts]), space, steps)
    ladders = [ladder(row, texts) for row in met]
    precision, recall = ladder_scores(ladders, truths)
    values = {"precision": precision, "recall": recall, "any_hit": any_hit(ladders, truths)}
    return {name: {LENGTH: float(np.mean(each))} for name, each in values.items()}


def nearest_within(image: Tensor, captions: Located, lengths: np.ndarray, space: Space, steps: int) -> np.ndarray:
    """The caption nearest to each image among those of at most as many words as each limit, (m, steps) int64.

    Arguments as for `ladders_by_length`; `lengths` are those of the captions, (U,).
    """
    limits = np.linspace(lengths.min(), lengths.max(), steps)
    counts = np.unique(lengths)
    queries = space.points(image)
    best = torch.full((len(image),), torch.inf, dtype=torch.float64, device=image.device)
    index = torch.full((len(image),), -1, dtype=torch.int64, device=image.device)
    rungs = []
    for count in counts.tolist():
        members = torch.from_numpy(np.flatnonzero(lengths == count)).to(image.device)
        chosen = captions.rows(members) if isinstance(captions, Points) else captions[members]
        distance, found = space.nearest(queries, chosen)
        nearer = distance.double() < best
        best, index = torch.where(nearer, distance.double(), best), torch.where(nearer, members[found], index)
        rungs.append(index)
    reached = np.searchsorted(counts, limits, side="right") - 1
    return torch.stack(rungs, dim=1).cpu().numpy()[:, reached]
