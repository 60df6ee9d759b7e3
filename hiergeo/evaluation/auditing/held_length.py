"""The order of radii where length is held fixed: what an audit says of every subject, without other embeddings."""

import math
from collections.abc import Iterator

import numpy as np

from hiergeo.evaluation.auditing.subject import Subject
from hiergeo.evaluation.metrics import tau_d
from hiergeo.evaluation.metrics.length import Condition, PartialTau, chain_lengths, tier_pairs
from hiergeo.evaluation.result import Statistic

EQUAL, SHORTER = "right_equal_length", "right_shorter"
"""Names of the shares of pairs that radii order rightly."""

CONDITIONS: tuple[tuple[str, Condition], ...] = ((EQUAL, "equal"), (SHORTER, "shorter"))
"""Shares of pairs in an audit and the condition that a pair of theirs meets."""


def length_facts(subject: Subject) -> tuple[dict[str, float], dict[str, Statistic]]:
    """Plain numbers, and statistics over the chains that can tell; those that nothing can tell are left out.

    Numbers: `length_tau_d` and `length_tau_d_characters`, tau_d of the numbers of words and of characters;
    `right_equal_length_pairs` and `right_shorter_pairs`, how many pairs those shares are of. Statistics:
    `right_equal_length`, the share of the pairs of tiers with equally many words that radii order rightly (ties one
    half); `right_shorter`, the same where the more specific caption is the shorter one; `partial_tau`, the correlation
    of radius and tier given the number of words. See `hiergeo.evaluation.metrics.length`.
    """
    chains = [row.positive for row in subject.embedded.hierarchy.rows]
    words, radii = chain_lengths(chains), subject.radii
    numbers = {
        "length_tau_d": tau_d(words),
        "length_tau_d_characters": tau_d(chain_lengths(chains, "characters")),
    }
    shares = dict(shares_right(radii, words))
    numbers |= {f"{name}_pairs": float(pairs) for name, (_, pairs) in shares.items()}
    statistics = {name: statistic for name, (statistic, _) in shares.items()}
    partial = partial_of(radii, words)
    return numbers, statistics if partial is None else statistics | {"partial_tau": partial}


def shares_right(radii: np.ndarray, words: np.ndarray) -> Iterator[tuple[str, tuple[Statistic, int]]]:
    """The share of pairs in the right order under each condition on lengths that some pairs meet, and their number."""
    for name, condition in CONDITIONS:
        chosen = tier_pairs(radii, words, condition).measurable
        if len(chosen.pairs):
            yield name, (Statistic(len(chosen.pairs), chosen.share_right), int(chosen.pairs.sum()))


def partial_of(radii: np.ndarray, words: np.ndarray) -> Statistic | None:
    """Kendall's partial correlation of radius and tier given words; None where it is undefined."""
    partial = PartialTau(radii, words)
    return None if math.isnan(partial.value()) else Statistic(len(radii), partial.value)
