"""Caption length as a confound: orders of radii with the number of words held fixed.

Specific captions are longer than general ones, so a quantity that grows with length orders tiers without knowing what
they say. What is left where length cannot help is measured on tiers of a chain with equally many words. Lengths are
numbers of words unless said otherwise; any integers do.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics.order import pair_signs

LENGTH = "length"  # name of the baseline that counts words


def baseline_name(name: str) -> str:
    """A baseline for readers: ``length`` is "words alone", ``random_mistakes`` "random mistakes"."""
    return {LENGTH: "words alone", "characters": "characters alone"}.get(name, name.replace("_", " "))


def word_count(caption: str) -> int:
    """Number of words, separated by white space."""
    return len(caption.split())


def chain_lengths(chains: Iterable[Sequence[str]], unit: Literal["words", "characters"] = "words") -> np.ndarray:
    """Lengths of the captions of chains, (n, T) int64; InputError without chains, or where they differ in T."""
    measure = word_count if unit == "words" else len
    rows = [[measure(caption) for caption in chain] for chain in chains]
    if not rows or len({len(row) for row in rows}) > 1:
        raise InputError("lengths need at least one chain, and chains of equally many captions.")
    return np.array(rows, dtype=np.int64)


def tau_d_equal_length(radii: ArrayLike, lengths: ArrayLike) -> float:
    """tau_d over the pairs of tiers with equal lengths, pooled over chains; in [-1, 1], and 0 for any order by length.

    Of all pairs of tiers of the same chain those whose captions have equally many words count, each once: 1 where the
    more specific caption has the larger radius, -1 where it has the smaller one, 0 for a tie. Equal to `tau_d` where
    all captions of each chain are of one length. NaN where there is no such pair. Both arguments are (n, T).
    """
    order, longer = pair_signs(radii), pair_signs(lengths)
    return float(order[longer == 0].mean()) if (longer == 0).any() else float("nan")
