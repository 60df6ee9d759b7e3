"""Quality of chains by their texts alone: lengths, repeats and head nouns, as rates over rows."""

from collections import Counter
from functools import cache
from typing import NamedTuple

import numpy as np

from hiergeo.construction import language
from hiergeo.construction.drafts import normalised
from hiergeo.datasets import Hierarchy, Row
from hiergeo.evaluation.metrics.length import chain_lengths

TIER = "_tier"
"""What stands between the name of a rate and the number of a tier, from 0 for the most general one."""


class Ratio(NamedTuple):
    """A rate over rows: what each (n,) adds to the sum above and to the one below, 0 where there is nothing to say."""

    numerator: np.ndarray
    denominator: np.ndarray


def by_tier(name: str, numerator: np.ndarray, denominator: np.ndarray | None = None) -> dict[str, Ratio]:
    """The rate over all tiers, `name`, and that of each tier; arrays (n, T), a denominator of None is 1 everywhere."""
    below = np.ones(numerator.shape) if denominator is None else denominator
    rates = {name: Ratio(numerator.sum(axis=1), below.sum(axis=1))}
    for tier in range(numerator.shape[1]):
        rates[f"{name}{TIER}{tier}"] = Ratio(numerator[:, tier], below[:, tier])
    return rates


def share(hits: np.ndarray) -> Ratio:
    """The share of rows that are hits (n,)."""
    return Ratio(hits.astype(float), np.ones(len(hits)))


def item_of(row: Row) -> object:
    """What is independent of others: the image of a row, or its most specific caption where it has none."""
    return row.positive[-1] if row.image_id is None else row.image_id


def mean_lengths(chains: Hierarchy) -> dict[str, float]:
    """Mean numbers of words, ``words`` and ``words_negative``, overall and by tier."""
    sides = {
        "words": [row.positive for row in chains.rows],
        "words_negative": [row.negative for row in chains.rows if row.negative is not None],
    }
    means: dict[str, float] = {}
    for name, texts in sides.items():
        if texts:
            lengths = chain_lengths(texts)
            means[name] = float(lengths.mean())
            means |= {f"{name}{TIER}{tier}": float(mean) for tier, mean in enumerate(lengths.mean(axis=0))}
    return means


def distinct_shares(chains: Hierarchy) -> dict[str, float]:
    """Distinct texts of each tier over rows, ``texts_distinct_tierK``."""
    tiers = zip(*(row.positive for row in chains.rows), strict=True)
    return {
        f"texts_distinct{TIER}{tier}": len(set(map(normalised, texts))) / len(texts) for tier, texts in enumerate(tiers)
    }


def text_rates(chains: Hierarchy) -> dict[str, Ratio]:
    """Growth and repeats, texts compared as `normalised`.

    ``words_grow``: share of rows in which every tier has more words than the one before; ``texts_shared``: share of
    texts that a row of another image has in the same tier; ``texts_repeated``: share of rows with a text twice in their
    chain; ``negative_equal``: share of negatives that are equal to the text of their tier.
    """
    items = [item_of(row) for row in chains.rows]
    texts = [[normalised(text) for text in row.positive] for row in chains.rows]
    shared, equal, judged = (np.zeros((len(texts), chains.tiers)) for _ in range(3))
    used = {(item, tier, text) for item, own in zip(items, texts, strict=True) for tier, text in enumerate(own)}
    owners = Counter((tier, text) for _, tier, text in used)
    for index, (own, row) in enumerate(zip(texts, chains.rows, strict=True)):
        shared[index] = [owners[tier, text] > 1 for tier, text in enumerate(own)]
        if row.negative is not None:
            judged[index] = 1
            equal[index] = [text == normalised(other) for text, other in zip(own, row.negative, strict=True)]
    words = chain_lengths(row.positive for row in chains.rows)
    return {
        "words_grow": share(np.all(np.diff(words) > 0, axis=1)),
        "texts_repeated": share(np.array([len(set(own)) < len(own) for own in texts])),
        **by_tier("texts_shared", shared),
        **by_tier("negative_equal", equal, judged),
    }


def noun_rates(chains: Hierarchy) -> dict[str, Ratio]:
    """Head nouns of a tier and the next, more specific one, ``_tierK`` being those of tiers K and K + 1.

    ``head_noun``: share of pairs whose head nouns are the same or the specific one is a kind of the general one, of
    those in which both have one; ``head_noun_found``: share of pairs in which both have one.
    """
    lexicon, head = language.lexicon(), cache(language.head_noun)

    @cache
    def agree(general: str, specific: str) -> bool:
        return general == specific or lexicon.is_a(specific, general)

    both, right = (np.zeros((len(chains.rows), chains.tiers - 1)) for _ in range(2))
    for index, row in enumerate(chains.rows):
        for tier, texts in enumerate(zip(row.positive, row.positive[1:], strict=False)):
            general, specific = map(head, texts)
            if general is not None and specific is not None:
                both[index, tier] = 1
                right[index, tier] = agree(general, specific)
    return by_tier("head_noun", right, both) | by_tier("head_noun_found", both)
