"""What the lengths of captions alone achieve in each protocol, and what a model achieves where lengths cannot help.

Every result carries these baselines, since specific captions are longer: whatever grows with the number of words orders
tiers, climbs ladders and tells a child from an unrelated text. See `evaluation.metrics.length` for the definitions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.numerics import wide, widest
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.metrics import CHANCE, Ranking, tau_d, tau_d_rows, tied_share
from hiergeo.evaluation.metrics.length import LENGTH, chain_lengths, tau_d_equal_length, word_count
from hiergeo.evaluation.metrics.length import baseline_name as baseline_name
from hiergeo.evaluation.metrics.order import pair_signs, tier_pairs
from hiergeo.evaluation.metrics.registry import Metric, area, average_precision, correlation, declare, share
from hiergeo.evaluation.metrics.sharing import Sharing, reached
from hiergeo.evaluation.metrics.words import WordWeights
from hiergeo.evaluation.result import Outcome, auroc_of, average_precision_of, mean_of
from hiergeo.geometry import Located, Points, Space

NO_EQUAL_TIERS = "no chain has two tiers of equally many words"
"""Why nothing is measured of the order at equal length."""

declare(
    correlation("tau_d", "tau_d", depends_on_curvature=False, discrete=True),
    correlation("tau_d_equal_length", "tau_d (equal length)", depends_on_curvature=False, control=True),
    share("tied_share", "tied share", None, depends_on_curvature=False, unit="none"),
)


def rankings(suffix: str, *of: str, matched: bool = True) -> Iterator[Metric]:
    """The records of AUROC and AP by one score, perhaps also of pairs `matched` by length, and of the share of ties."""
    plain, equal = (f" ({', '.join(words)})" if words else "" for words in (of, (*of, "equal length")))
    for kind, name, called in ((area, "auroc", "AUROC"), (average_precision, "average_precision", "AP")):
        yield kind(f"{name}{suffix}", f"{called}{plain}")
        if matched:
            yield kind(f"{name}{suffix}_equal_length", f"{called}{equal}", control=True)
    yield share(f"score_ties{suffix}", f"score ties{plain}", None, unit="none")


@dataclass(frozen=True)
class PairLengths:
    """Captions of positive and of contradicting chains, (n, T) positions among texts (U,), and numbers of words."""

    texts: Sequence[str]
    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, hierarchy: Hierarchy) -> "PairLengths":
        """The lengths of a hierarchy that has contradicting chains."""
        index = {text: at for at, text in enumerate(hierarchy.texts)}
        sides = ((row.positive for row in hierarchy.rows), (row.negative or () for row in hierarchy.rows))
        return cls(hierarchy.texts, *(np.array([[index[text] for text in chain] for chain in side]) for side in sides))

    @cached_property
    def words(self) -> np.ndarray:
        """(U,) numbers of words."""
        return np.array(list(map(word_count, self.texts)))

    @cached_property
    def matched(self) -> dict[bool, np.ndarray | None]:
        """What random word weights make of the AUROC at equal length less one half, of sibling negatives or others."""
        return {sibling: self._matched(self.wrong(sibling)) for sibling in (False, True)}

    def wrong(self, sibling: bool) -> np.ndarray:
        """The negatives of pairs (p_i, p_{i+1}): n_{i+1} where they are siblings, otherwise n_i."""
        return self.negative[:, 1:] if sibling else self.negative[:, :-1]

    def _matched(self, wrong: np.ndarray) -> np.ndarray | None:
        parent, child = self.positive[:, :-1], self.positive[:, 1:]
        true, false = (np.stack([parent, below], axis=-1).reshape(-1, 2) for below in (child, wrong))
        _, stratum = np.unique(self.words[np.concatenate([true, false])], axis=0, return_inverse=True)
        own, other = stratum.ravel()[: len(true)], stratum.ravel()[len(true) :]
        return (
            WordWeights(self.texts).matched_surplus(true, false, (own, other)) / 2
            if np.isin(own, other).any()
            else None
        )


def order_and_length(radii: np.ndarray, embedded: Embedded) -> Outcome:
    """`tau_d` and the share of ties of radii (n, T), `tau_d_equal_length` where tiers have equal length, baselines."""
    captions = [row.positive for row in embedded.hierarchy.rows]
    words, characters = chain_lengths(captions), chain_lengths(captions, "characters")
    chains, weights = embedded.chains.cpu().numpy(), embedded.words
    pairs, signs = tier_pairs(chains), pair_signs(radii).T.ravel()
    outcome = Outcome(numbers={"tied_share": tied_share(radii)})
    baselines = {"length": tau_d(words), "characters": tau_d(characters), "chance": 0.0}
    baselines["random_words"] = reached(weights.surplus(pairs))
    outcome.add("tau_d", mean_of(tau_d_rows(radii), embedded.sharing, signed=True), **baselines)
    equal = pair_signs(words).T.ravel() == 0
    if equal.any():
        by_characters, drawn = tau_d_equal_length(characters, words), weights.surplus(pairs[equal])
        order = replace(mean_of(signs[equal], Sharing(pairs[equal]), signed=True), by_words=drawn)
        baselines = {"length": 0.0, "characters": by_characters, "random_words": reached(drawn)}
        outcome.add("tau_d_equal_length", order, **baselines)
    else:
        outcome.left_out["tau_d_equal_length"] = NO_EQUAL_TIERS
    return outcome


def matched_by_length(
    name: str, true: np.ndarray, false: np.ndarray, lengths: PairLengths, sharing: Sharing, *, sibling: bool
) -> Outcome:
    """AUROC and AP of pairs with lengths matched, and what lengths alone achieve with and without.

    A pair (parent, child) is matched to those whose parent and whose child have as many words. The baseline of the
    unmatched metrics ranks pairs by how many words the child has more than its parent.

    Args:
        name: suffix of the metrics, such as ``_margin_sibling``.
        true: (n, T - 1) scores of the pairs (p_i, p_{i+1}).
        false: (n, T - 1) scores of the pairs (p_i, n_i), or with `sibling` (p_i, n_{i+1}).
        lengths: of the chains.
        sharing: which chains share captions.
        sibling: the kind of negatives.
    """
    counts = lengths.words
    parent, child, wrong = (
        counts[captions] for captions in (lengths.positive[:, :-1], lengths.positive[:, 1:], lengths.wrong(sibling))
    )
    alone = Ranking(child - parent, wrong - parent)
    outcome = Outcome(
        baselines={
            f"auroc{name}": {LENGTH: alone.auroc(), "chance": CHANCE},
            f"average_precision{name}": {LENGTH: alone.average_precision(), "chance": CHANCE},
        }
    )
    matched = Ranking(true, false, (np.stack([parent, child], axis=-1), np.stack([parent, wrong], axis=-1)))
    if matched.pairs:
        drawn = lengths.matched[sibling]
        assert drawn is not None
        baselines = {"length": CHANCE, "random_words": CHANCE + reached(drawn)}
        for metric, of in (("auroc", auroc_of), ("average_precision", average_precision_of)):
            statistic = replace(of(matched, len(true), sharing), by_words=drawn)
            outcome.add(f"{metric}{name}_equal_length", statistic, **baselines)
    else:
        names = (f"auroc{name}_equal_length", f"average_precision{name}_equal_length")
        outcome.left_out.update(dict.fromkeys(names, "no false pair has the lengths of a true one"))
    return outcome


def nearest_within(image: Tensor, captions: Located, lengths: np.ndarray, space: Space, steps: int) -> np.ndarray:
    """Ladders by length: the nearest captions under growing limits on words instead of on the radius.

    The limits run evenly from the fewest to the most words, both included; `lengths` (U,) are those of captions (U, D).
    Returns (m, steps) positions of captions for images (m, D).
    """
    limits = np.linspace(lengths.min(), lengths.max(), steps)
    counts = np.unique(lengths)
    queries = space.points(image)
    best = torch.full((len(image),), torch.inf, dtype=widest(image.device), device=image.device)
    index = torch.full((len(image),), -1, dtype=torch.int64, device=image.device)
    rungs = []
    for count in counts.tolist():
        members = torch.from_numpy(np.flatnonzero(lengths == count)).to(image.device)
        chosen = captions.rows(members) if isinstance(captions, Points) else captions[members]
        distance, match = space.nearest(queries, chosen)
        nearer = wide(distance) < best
        best, index = torch.where(nearer, wide(distance), best), torch.where(nearer, members[match], index)
        rungs.append(index)
    reached = np.searchsorted(counts, limits, side="right") - 1
    return torch.stack(rungs, dim=1).cpu().numpy()[:, reached]
