"""What the lengths of captions alone achieve in each protocol, and what a model achieves where lengths cannot help.

Every result carries these baselines, since specific captions are longer: whatever grows with the number of words orders
tiers, climbs ladders and tells a child from an unrelated text. See `evaluation.metrics.length` for the definitions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.numerics import wide, widest
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.metrics import CHANCE, Ranking, tau_d, tau_d_rows, tied_share
from hiergeo.evaluation.metrics.length import LENGTH, chain_lengths, selected_pairs, tau_d_equal_length
from hiergeo.evaluation.metrics.length import baseline_name as baseline_name
from hiergeo.evaluation.metrics.registry import Metric, area, average_precision, correlation, declare, share
from hiergeo.evaluation.metrics.sharing import Sharing
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


class PairLengths(NamedTuple):
    """Numbers of words of positive and of contradicting chains, (n, T) each."""

    positive: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, hierarchy: Hierarchy) -> "PairLengths":
        """The lengths of a hierarchy that has contradicting chains."""
        positive = chain_lengths(row.positive for row in hierarchy.rows)
        return cls(positive, chain_lengths(row.negative or () for row in hierarchy.rows))


def order_and_length(radii: np.ndarray, hierarchy: Hierarchy) -> Outcome:
    """`tau_d` and the share of ties of radii (n, T), `tau_d_equal_length` where tiers have equal length, baselines."""
    captions = [row.positive for row in hierarchy.rows]
    words, characters = chain_lengths(captions), chain_lengths(captions, "characters")
    chains = np.unique(np.array(captions), return_inverse=True)[1].reshape(radii.shape)
    outcome = Outcome(numbers={"tied_share": tied_share(radii)})
    order = mean_of(tau_d_rows(radii), Sharing(chains))
    outcome.add("tau_d", order, length=tau_d(words), characters=tau_d(characters), chance=0.0)
    signs, pairs = selected_pairs(radii, words, "equal", chains)
    if len(pairs):
        by_characters = tau_d_equal_length(characters, words)
        outcome.add("tau_d_equal_length", mean_of(signs, Sharing(pairs)), length=0.0, characters=by_characters)
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
    parent, child = lengths.positive[:, :-1], lengths.positive[:, 1:]
    wrong = lengths.negative[:, 1:] if sibling else lengths.negative[:, :-1]
    alone = Ranking(child - parent, wrong - parent)
    outcome = Outcome(
        baselines={
            f"auroc{name}": {LENGTH: alone.auroc(), "chance": CHANCE},
            f"average_precision{name}": {LENGTH: alone.average_precision(), "chance": CHANCE},
        }
    )
    matched = Ranking(true, false, (np.stack([parent, child], axis=-1), np.stack([parent, wrong], axis=-1)))
    if matched.pairs:
        outcome.add(f"auroc{name}_equal_length", auroc_of(matched, len(true), sharing), length=CHANCE)
        precision = average_precision_of(matched, len(true), sharing)
        outcome.add(f"average_precision{name}_equal_length", precision, length=CHANCE)
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
