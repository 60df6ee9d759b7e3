"""Caption length as a confound: orders of radii with the number of words held fixed.

Specific captions are longer than general ones, so a quantity that grows with length orders tiers without knowing what
they say. The functions here measure what is left where length cannot help: on tiers of a chain with equally many words,
on tiers whose more specific text is the shorter one, and as a partial correlation. Lengths are numbers of words unless
said otherwise; any integers do.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics.order import pair_signs
from hiergeo.evaluation.metrics.sharing import top_captions

Condition = Literal["equal", "shorter"]

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


def selected_pairs(
    radii: ArrayLike, lengths: ArrayLike, condition: Condition, chains: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of tiers of the same chain whose lengths meet a condition, and how radii order them.

    Radii, lengths and positions of captions are (n, T). The pairs are 1 where radii order them rightly, -1 wrongly, 0
    for a tie, (P,); their captions, the general one first, and the family of their chain are (P, 3). In those called
    ``shorter`` the more specific one is.
    """
    order, longer = pair_signs(radii), pair_signs(lengths)
    selected = longer == {"equal": 0, "shorter": -1}[condition]
    general, specific = np.triu_indices(chains.shape[1], k=1)
    family = np.broadcast_to(top_captions(chains)[:, None], order.shape)
    captions = np.stack([chains[:, general], chains[:, specific], family], axis=-1)
    return order[selected], captions[selected]


def share_right(radii: ArrayLike, lengths: ArrayLike, condition: Condition) -> float:
    """Share of the pairs of tiers under a condition that radii (n, T) order rightly, ties one half; NaN without any."""
    signs, _ = selected_pairs(radii, lengths, condition, np.zeros(np.shape(lengths), dtype=np.int64))
    return float((1 + signs.mean()) / 2) if len(signs) else float("nan")


def tau_d_equal_length(radii: ArrayLike, lengths: ArrayLike) -> float:
    """tau_d over the pairs of tiers with equal lengths, pooled over chains; in [-1, 1], and 0 for any order by length.

    Of all pairs of tiers of the same chain those whose captions have equally many words count, each once: 1 where the
    more specific caption has the larger radius, -1 where it has the smaller one, 0 for a tie. Equal to `tau_d` where
    all captions of each chain are of one length. NaN where there is no such pair. Both arguments are (n, T).
    """
    order, longer = pair_signs(radii), pair_signs(lengths)
    return float(order[longer == 0].mean()) if (longer == 0).any() else float("nan")


STEP = 1e-6  # steps of difference quotients, in units of the number of pairs


class PartialTau:
    """Kendall's partial correlation of radius and tier given length, over the pairs of tiers of the same chain.

    With s_r and s_w the signs of the differences of radius and length of a pair (specific less general; the tiers
    always differ by +1), tau_rt = sum s_r / sqrt(N sum s_r^2), tau_wt likewise, and tau_rw = sum s_r s_w /
    sqrt(sum s_r^2 sum s_w^2) are Kendall's tau-b over these N pairs. The partial correlation is
    (tau_rt - tau_rw tau_wt) / sqrt((1 - tau_rw^2) (1 - tau_wt^2)). Radii and lengths are (n, T).

    Source: Kendall, Partial rank correlation (Biometrika, 1942), with tau-b of pairs within chains.
    """

    def __init__(self, radii: ArrayLike, lengths: ArrayLike) -> None:
        r, w = pair_signs(radii), pair_signs(lengths)
        self._sums = np.stack([part.sum(axis=1) for part in (np.ones_like(r), r, w, r * w, r * r, w * w)])

    def value(self, counts: np.ndarray | None = None) -> float:
        """The partial correlation, in [-1, 1]; NaN where radii are all tied or lengths determine either order.

        Lengths that never differ within a chain explain nothing: then it is tau_rt. `counts` (n,) is how often each
        chain counts; None is once.
        """
        return _partial_tau(self._sums @ (np.ones(self._sums.shape[1]) if counts is None else counts))

    @property
    def influence(self) -> np.ndarray:
        """(n,) derivatives by the weights of chains, times their number."""
        sums = self._sums.sum(axis=1)
        step = STEP * sums[0]
        ends = np.stack([sums + sign * step * np.eye(len(sums)) for sign in (1, -1)])
        slope = np.array([(_partial_tau(up) - _partial_tau(down)) / (2 * step) for up, down in ends.swapaxes(0, 1)])
        return np.asarray(self._sums.shape[1] * (slope @ self._sums))


def _partial_tau(sums: np.ndarray) -> float:
    pairs, r, w, rw, rr, ww = sums
    if rr <= 0:
        return float("nan")
    rt = r / np.sqrt(pairs * rr)
    return _partial(rt, rw / np.sqrt(rr * ww), w / np.sqrt(pairs * ww)) if ww > 0 else float(rt)


def partial_spearman(radii: ArrayLike, lengths: ArrayLike) -> float:
    """Spearman's partial correlation of radius and tier given length, over all captions; in [-1, 1].

    The correlations are Pearson's of mid-ranks over all n T captions. Unlike `PartialTau` it also compares captions of
    different chains. NaN where all radii are equal or lengths determine either order. Both arguments are (n, T).
    """
    radius, length = np.asarray(radii), np.asarray(lengths)
    tier = np.broadcast_to(np.arange(radius.shape[1]), radius.shape)
    r, w, t = (midranks(values.ravel()) for values in (radius, length, tier))
    if r.std() == 0:
        return float("nan")
    if w.std() == 0:
        return float(np.corrcoef(r, t)[0, 1])
    correlation = np.corrcoef([r, w, t])
    return _partial(correlation[0, 2], correlation[0, 1], correlation[1, 2])


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks of values (n,) from 1 on, equal values sharing the mean of theirs."""
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[level]


def _partial(direct: float, left: float, right: float) -> float:
    """(direct - left right) / sqrt((1 - left^2) (1 - right^2)); NaN where a factor is not positive."""
    unexplained = (1 - left**2) * (1 - right**2)
    return float((direct - left * right) / np.sqrt(unexplained)) if unexplained > 1e-12 else float("nan")
