"""Caption length as a confound: what counting words gives, and what radii tell where it cannot help."""

import math
from collections.abc import Iterator

import numpy as np

from hiergeo.auditing.subject import Subject
from hiergeo.evaluation.result import Statistic
from hiergeo.metrics import tau_d
from hiergeo.metrics.length import Condition, PartialTau, chain_lengths, tier_pairs


def length_facts(subject: Subject) -> tuple[dict[str, float], dict[str, Statistic]]:
    """Plain numbers, and statistics over the chains that can tell; those that nothing can tell are left out.

    Numbers: `length_tau_d` and `length_tau_d_characters`, tau_d of the numbers of words and of characters. Statistics:
    `right_equal_length`, the share of the pairs of tiers with equally many words that radii order rightly (ties one
    half); `right_shorter`, the same where the more specific caption is the shorter one; `partial_tau`, the correlation
    of radius and tier given the number of words. See `hiergeo.metrics.length`.
    """
    chains = [row.positive for row in subject.embedded.hierarchy.rows]
    words, radii = chain_lengths(chains), subject.radii
    numbers = {
        "length_tau_d": tau_d(words),
        "length_tau_d_characters": tau_d(chain_lengths(chains, "characters")),
    }
    return numbers, dict(_statistics(radii, words))


def _statistics(radii: np.ndarray, words: np.ndarray) -> Iterator[tuple[str, Statistic]]:
    conditions: tuple[tuple[str, Condition], ...] = (("right_equal_length", "equal"), ("right_shorter", "shorter"))
    for name, condition in conditions:
        pairs = tier_pairs(radii, words, condition).measurable
        if len(pairs.pairs):
            yield name, Statistic(len(pairs.pairs), pairs.share_right)
    partial = PartialTau(radii, words)
    if not math.isnan(partial.value()):
        yield "partial_tau", Statistic(len(radii), partial.value)
