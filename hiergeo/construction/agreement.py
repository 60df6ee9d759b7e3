"""Quality of chains by their texts alone: lengths, repeats, head nouns, words."""

from collections import Counter
from functools import cache, lru_cache

import numpy as np

from hiergeo.construction import language
from hiergeo.construction.drafts import normalised
from hiergeo.construction.pooling import Ratio, by_tier, count, declare_rates, groups_of, rate
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.metrics.length import chain_lengths

CONTENT = frozenset({"ADJ", "NOUN", "NUM", "PART", "VERB"})
"""Tags of words that say what is described."""

REMEMBERED = 1 << 16
"""Texts whose analysis is kept."""

declare_rates(
    count("words", "words", None),
    count("words_negative", "words of negatives", None),
    rate("words_grow", "words grow"),
    rate("texts_distinct", "distinct texts", None),
    rate("texts_shared", "texts shared between images", None),
    rate("texts_repeated", "chains with a text twice", False),
    rate("negative_equal", "negative = positive", False),
    rate("head_noun", "head nouns agree"),
    rate("head_noun_found", "head nouns found", None),
    rate("word_coverage", "words kept by the next tier", None),
)


@lru_cache(REMEMBERED)
def content_words(text: str) -> frozenset[str]:
    """Lemmas of the nouns, verbs, adjectives and numbers of a text."""
    return frozenset(token.lemma for token in language.parse(text).tokens if token.tag in CONTENT)


_head = lru_cache(REMEMBERED)(language.head_noun)


def length_rates(chains: Hierarchy) -> dict[str, Ratio]:
    """Numbers of words: means by tier, and the share of rows in which every tier has more than the one before.

    Gives ``words``, ``words_negative`` and ``words_grow``; the negative side where there are negatives.
    """
    words = chain_lengths(row.positive for row in chains.rows)
    rates = {"words_grow": _share(np.all(np.diff(words) > 0, axis=1)), **by_tier("words", words)}
    has = np.array([[row.negative is not None] * chains.tiers for row in chains.rows], float)
    if has.any():
        rates |= by_tier(
            "words_negative", has * chain_lengths(row.negative or row.positive for row in chains.rows), has
        )
    return rates


def distinctness_rates(chains: Hierarchy) -> dict[str, Ratio]:
    """Repeats, texts compared as `normalised`.

    ``texts_shared``: share of texts that a row of another image has in the same tier; ``texts_repeated``: share of rows
    with a text twice in their chain; ``negative_equal``: share of negatives that are equal to the text of their tier.
    """
    group = groups_of(chains)[1].tolist()
    texts = [[normalised(text) for text in row.positive] for row in chains.rows]
    shared, equal, judged = (np.zeros((len(texts), chains.tiers)) for _ in range(3))
    used = {(place, tier, text) for place, own in zip(group, texts, strict=True) for tier, text in enumerate(own)}
    owners = Counter((tier, text) for _, tier, text in used)
    for index, (own, row) in enumerate(zip(texts, chains.rows, strict=True)):
        shared[index] = [owners[tier, text] > 1 for tier, text in enumerate(own)]
        if row.negative is not None:
            judged[index] = 1
            equal[index] = [text == normalised(other) for text, other in zip(own, row.negative, strict=True)]
    repeated = _share(np.array([len(set(row)) < len(row) for row in texts]))
    return by_tier("texts_shared", shared) | {"texts_repeated": repeated} | by_tier("negative_equal", equal, judged)


def distinct_shares(chains: Hierarchy) -> dict[str, float]:
    """Distinct texts of each tier over rows, ``texts_distinct_tierK``; no interval, since resamples repeat rows."""
    tiers = zip(*(row.positive for row in chains.rows), strict=True)
    return {
        f"texts_distinct_tier{tier}": len(set(map(normalised, texts))) / len(texts) for tier, texts in enumerate(tiers)
    }


def word_rates(chains: Hierarchy) -> dict[str, Ratio]:
    """Agreement of a tier with the next, more specific one, ``_tierK`` being that of tiers K and K + 1.

    ``head_noun``: share of pairs whose head nouns are the same or the specific one is a kind of the general one, of
    those in which both have one; ``head_noun_found``: share of pairs in which both have one; ``word_coverage``: share
    of the content words of the more general tier that the more specific one has.
    """
    lexicon = language.lexicon()

    @cache
    def agree(general: str, specific: str) -> bool:
        return general == specific or lexicon.is_a(specific, general)

    shape = (len(chains.rows), chains.tiers - 1)
    both, right, found, words = (np.zeros(shape) for _ in range(4))
    for index, row in enumerate(chains.rows):
        for tier, (general, specific) in enumerate(zip(row.positive, row.positive[1:], strict=False)):
            kind, thing = _head(general), _head(specific)
            if kind is not None and thing is not None:
                both[index, tier] = 1
                right[index, tier] = agree(kind, thing)
            content = content_words(general)
            words[index, tier] = len(content)
            found[index, tier] = len(content & content_words(specific))
    return by_tier("head_noun", right, both) | by_tier("head_noun_found", both) | by_tier("word_coverage", found, words)


def _share(hits: np.ndarray) -> Ratio:
    return Ratio(hits.astype(float), np.ones(len(hits)))
