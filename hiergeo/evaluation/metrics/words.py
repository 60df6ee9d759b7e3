"""Radii made of random word weights: the order of captions that share words, where nothing is learnt.

Captions are made of words, and few words make many captions: a weight of "small" moves all small things at once. So
captions are not exchangeable, and an order of tiers at equal length is also compared with orders by sums of random
weights, one standard normal weight for each word. Of the nulls that were tried (other distributions, bigrams, norms of
sums of random word vectors, their cosines with a random root) none spreads wider: docs/verdicts.md.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WEIGHTS = 999
"""Draws of the weights of all words."""

AT_ONCE = 1 << 22
"""Differences of captions that are held at a time."""

MATCHED = 4096
"""Comparisons of a true pair with a false one from which an AUROC is estimated."""

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(f"[{UNSPACED}]|(?:(?![{UNSPACED}])[\\w'’-])+")
"""A word; in scripts without blanks between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese) a character."""


def words_of(caption: str) -> list[str]:
    """The words of a caption in lower case, without punctuation; those of scripts without blanks are characters."""
    return WORD.findall(caption.lower())


@final
class WordWeights:
    """Random weights of the words of captions (U,), drawn from a seed; equal captions and seeds have equal weights."""

    def __init__(self, captions: Sequence[str], seed: int = 0) -> None:
        self._words = [words_of(caption) for caption in captions]
        self._index = {word: at for at, word in enumerate(sorted({word for words in self._words for word in words}))}
        self._seed = seed
        self._known: dict[tuple[bytes, ...], Floats] = {}

    def __len__(self) -> int:
        """The number of different words."""
        return len(self._index)

    @cached_property
    def _counts(self) -> Any:
        """How often captions hold words, (U, W) sparse."""
        from scipy.sparse import csr_array

        ends = np.cumsum([0, *map(len, self._words)])
        columns = np.array([self._index[word] for words in self._words for word in words], dtype=np.int64)
        counts = csr_array((np.ones(len(columns)), columns, ends), shape=(len(self._words), len(self)))
        counts.sum_duplicates()
        return counts

    def surplus(self, pairs: Integers, scale: Floats | None = None) -> Floats:
        """Mean over pairs (P, 2 or more) of the sign of the second caption's sum less the first one's, (WEIGHTS,).

        It is in [-1, 1] and 0 by chance; `scale` (P,), of mean 1, weighs the pairs.
        """
        key = pairs.tobytes(), b"" if scale is None else scale.tobytes()
        if key not in self._known:
            weight = (np.ones(len(pairs)) if scale is None else scale) / len(pairs)
            self._known[key] = np.concatenate([weight @ np.sign(block) for block in self._differences(pairs)])
        return self._known[key]

    def matched_surplus(self, true: Integers, false: Integers, strata: tuple[Integers, Integers]) -> Floats:
        """That of a difference of the pairs `true` (P, 2) less one of the pairs `false` (Q, 2) of its stratum.

        This is 2 AUROC - 1 of sums of weights, estimated from `MATCHED` comparisons. Strata are (P,) and (Q,).
        """
        generator = np.random.default_rng(self._seed)
        order = np.argsort(strata[1], kind="stable")
        start, stop = (np.searchsorted(strata[1][order], strata[0], side) for side in ("left", "right"))
        chosen = generator.choice(len(true), MATCHED, p=(stop - start) / (stop - start).sum())
        other = order[start[chosen] + (generator.random(MATCHED) * (stop - start)[chosen]).astype(np.int64)]
        blocks = self._differences(np.concatenate([true, false]))
        return np.concatenate([np.sign(block[chosen] - block[len(true) + other]).mean(axis=0) for block in blocks])

    def _differences(self, pairs: Integers) -> Iterator[Floats]:
        """Differences (P, k) between the sums of pairs (P, 2), `WEIGHTS` columns in all."""
        more = self._counts[pairs[:, 1]] - self._counts[pairs[:, 0]]
        generator = np.random.default_rng([self._seed, len(self)])
        size = max(1, AT_ONCE // max(len(pairs), len(self)))
        for start in range(0, WEIGHTS, size):
            yield more @ generator.standard_normal((len(self), min(size, WEIGHTS - start)))
