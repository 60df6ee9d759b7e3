"""The order of radii along chains: tau_d, and tests of the order of tiers at all and at equal lengths of captions."""

import math
from itertools import combinations
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics.ranking import checked
from hiergeo.evaluation.metrics.sharing import Floats, Sharing, Tested, permutation_test, top_captions

Positions = NDArray[np.int64]

STRATA = (1, 2, 3, 5, 8, 12, 20)  # least differences in characters of the strata in which pairs are balanced


def tau_d(radii: ArrayLike) -> float:
    """Mean over chains of (concordant - discordant) / pairs of tiers, in [-1, 1]; 1 if radii increase strictly.

    The distance correlation of Alper and Averbuch-Elor (ECCV 2024). Their code ranks by argsort, which breaks ties in
    favour of a model that collapses all tiers; here a tied pair counts 0, and `tied_share` is the share of such pairs.

    Args:
        radii: shape (n, T), tiers from general to specific.

    Raises:
        InputError: `radii` is empty, has another shape, fewer than two tiers, or NaN.
    """
    return float(tau_d_rows(radii).mean())


def tau_d_rows(radii: ArrayLike) -> np.ndarray:
    """Shape (n,): (concordant - discordant) / (T (T - 1) / 2) over the pairs of tiers of each chain, in [-1, 1]."""
    return pair_signs(radii).mean(axis=1)


def tied_share(radii: ArrayLike) -> float:
    """The share of pairs of tiers, over all chains, whose radii are exactly equal, in [0, 1]."""
    return float((pair_signs(radii) == 0).mean())


def pair_signs(radii: ArrayLike) -> np.ndarray:
    """Shape (n, T (T - 1) / 2): 1 where the more specific tier has the larger radius, -1 the smaller, 0 the same."""
    tiers = checked("radii", radii, ndim=2)
    if tiers.shape[1] < 2:
        raise InputError(f"radii must have at least 2 tiers to order, not shape {tiers.shape}.")
    general, specific = np.triu_indices(tiers.shape[1], k=1)
    concordant = tiers[:, specific] > tiers[:, general]
    discordant = tiers[:, specific] < tiers[:, general]
    return concordant.astype(np.float64) - discordant


def order_of_tiers(radii: Floats, chains: Positions, *, seed: int = 0) -> Tested:
    """Test tau_d of chains (n, T), positions among radii (U,), against radii that are exchanged among captions.

    A tier that is one caption in all chains is left out where two others remain: a single radius carries no claim, nor
    is it exchanged.
    """
    various = np.any(chains != chains[:1], axis=0)
    if various.sum() > 1:
        used, index = np.unique(chains[:, various], return_inverse=True)
        radii, chains = radii[used], index.reshape(len(chains), -1)
    pairs = list(combinations(chains.T, 2))

    def statistic(drawn: Floats) -> tuple[Floats, Floats]:
        surplus = np.zeros((len(drawn), len(chains)), np.int16)
        for general, specific in pairs:
            _add_signs(surplus, drawn[:, general], drawn[:, specific])
        values = surplus / len(pairs)
        means = values.mean(axis=-1)
        return means, values - means[..., None]

    return permutation_test(Sharing(chains), statistic, radii, seed=seed)


def is_of_all_tiers(tested: float, tau_d: float) -> bool:
    """Whether the tau_d that was tested is that of all tiers: none of them was left out."""
    return math.isclose(tested, tau_d, abs_tol=1e-9)


@final
class EqualLength(NamedTuple):
    """The order of tiers whose captions have equally many words: right less wrong pairs, a share in [-1, 1].

    In `balanced`, pairs whose specific caption has more characters weigh as much as those where it has fewer by about
    as many (`STRATA`), so that an order by characters is right in about half; it is None if no such pairs are left.
    """

    words: Tested
    balanced: Tested | None
    more: float  # share of the pairs whose specific caption has more characters
    fewer: float  # share of those where it has fewer


def order_at_equal_length(
    radii: Floats, chains: Positions, words: Positions, characters: Positions, *, seed: int = 0
) -> EqualLength | None:
    """Test the order of tiers of equally many words against radii exchanged among captions of equally many words.

    Radii and numbers of words and characters are (U,) of the distinct captions, chains (n, T) positions among them.
    None where no chain has two tiers of equally many words.
    """
    tops = top_captions(chains)
    pairs = np.concatenate([np.stack([*tiers, tops], axis=1) for tiers in combinations(chains.T, 2)])
    pairs = pairs[words[pairs[:, 0]] == words[pairs[:, 1]]]
    if not len(pairs):
        return None
    apart = characters[pairs[:, 1]] - characters[pairs[:, 0]]
    longer, stratum = np.sign(apart), np.searchsorted(STRATA, np.abs(apart), side="right")
    sides = [np.bincount(stratum[longer == side], minlength=len(STRATA) + 1) for side in (1, -1)]
    weights = np.ones(len(pairs))
    for side, counts in zip((1, -1), sides, strict=True):
        weights[longer == side] = (np.minimum(*sides) / np.maximum(counts, 1))[stratum[longer == side]]

    def tested(pairs: Positions, weights: Floats) -> Tested:
        general, specific, _ = pairs.T
        scale = weights / weights.mean()

        def statistic(drawn: Floats) -> tuple[Floats, Floats]:
            signs = np.zeros((len(drawn), len(pairs)), np.int16)
            _add_signs(signs, drawn[:, general], drawn[:, specific])
            values = (signs * scale).mean(axis=1)
            return values, (signs - values[:, None]) * scale

        return permutation_test(Sharing(pairs), statistic, radii, words, seed=seed)

    weighty = weights > 0
    balanced = tested(pairs[weighty], weights[weighty]) if weighty.any() else None
    more, fewer = (float(counts.sum() / len(pairs)) for counts in sides)
    return EqualLength(tested(pairs, np.ones(len(pairs))), balanced, more, fewer)


def _add_signs(sums: NDArray[np.int16], general: Floats, specific: Floats) -> None:
    sums += specific > general
    sums -= specific < general
