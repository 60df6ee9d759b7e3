"""Inference for items that share captions, such as chains of one collection: they are not independent.

Two items that share a caption are joined. The variance of a mean sums the products of deviations over joined pairs, and
its sampling distribution is Student's t with g - 1 degrees of freedom, where g = n^2 / (number of joined pairs) is how
many independent items would be as precise.

A null hypothesis under which captions are exchangeable ("radii are as good as random") is tested by permuting the radii
of captions. Statistics are divided by their standard errors first, so that the test keeps its level where tiers have
different spreads. Of few independent items Student's t is wider than the permutations, and both must agree.

Sources: Baldi and Rinott, On normal approximations of distributions in terms of dependency graphs (Annals of
Probability, 1989); Aronow, Samii and Assenova, Cluster-robust variance estimation for dyadic data (Political Analysis,
2015); Janssen, Studentized permutation tests for non-i.i.d. hypotheses (Statistics and Probability Letters, 1997).
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import combinations, pairwise, zip_longest
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiergeo.evaluation.metrics.resampling import LEVEL, Interval, proportion_interval

Floats = NDArray[np.float64]

JOINING = 8  # captions by which an item is joined with others: its most widely shared ones, where it has more
PERMUTATIONS, FEWEST, WORK = 999, 199, 1 << 25
"""Permutations of the radii of captions; where captions are many as few as hold so many radii, but not fewer."""

NARROW = 0.90  # level of the narrower intervals, by which equivalence is judged
NORMAL = 1.959963984540054  # 97.5 % quantile of the normal distribution
LEAST_FREEDOM = 0.1  # degrees of freedom where all items are joined: intervals are as good as unbounded
ROUNDING = 1e-12  # relative rounding errors of equal statistics
AT_ONCE = 1 << 22  # numbers of permuted items that are held at a time


@final
class Sharing:
    """Which items share captions; an item is joined with itself, too.

    Captions (n, T) of items are integers, negative ones stand for none. A caption that all items hold joins none of
    them: what is inferred is about items that hold it.
    """

    def __init__(self, captions: ArrayLike) -> None:
        names = np.sort(np.asarray(captions, dtype=np.int64), axis=1)
        names[:, 1:][names[:, 1:] == names[:, :-1]] = -1
        holders = np.bincount(names[names >= 0])
        shared = np.where(names >= 0, holders[names], 0)
        joining = (shared > 1) & (shared < len(names))
        names[~joining] = -1
        widest = np.argsort(-shared * joining, axis=1, kind="stable")[:, :JOINING]
        self._captions = np.take_along_axis(names, widest, axis=1)

    def __len__(self) -> int:
        return len(self._captions)

    @cached_property
    def effective(self) -> float:
        """g, the number of independent items that are as precise, in [1, n]."""
        return len(self) ** 2 / float(self._over_joined(np.ones(len(self))))

    def variance(self, deviations: Floats) -> Any:
        """Variance of a mean over items, (...), from the deviations (..., n) of their values from it.

        At least that of independent items, and multiplied by g / (g - 1).
        """
        independent = np.einsum("...n,...n->...", deviations, deviations)
        scale = self.effective / (self._freedom * len(self) ** 2)
        return np.maximum(self._over_joined(deviations), independent) * scale

    def caution(self, deviations: Floats) -> float:
        """By what factor, at least 1, an interval grows if pairs in large families deviate as those in small ones do.

        A large family that happens to lie near the mean hides how far away it might lie. Estimated from all families
        alike, the error is less uncertain: the interval is a normal one.
        """
        others, variance = self._sums_of_joined(np.ones(len(self))) - 1, float(self.variance(deviations))
        some = others > 0.5
        if variance <= ROUNDING**2 or not some.any():
            return 1.0
        together = (deviations * (self._sums_of_joined(deviations) - deviations))[some] / others[some]
        alike = np.square(deviations).mean() + (len(self) / self.effective - 1) * together.mean()
        growth = max(0.0, float(alike) * self.effective / (self._freedom * len(self) * variance))
        return max(1.0, NORMAL / self.quantile(LEVEL) * float(np.sqrt(growth)))

    def widening(self, deviations: Floats) -> float:
        """How much wider the 95 % interval of a mean is than that of independent items; 1 if all values are equal."""
        independent = float(deviations @ deviations) / len(self) ** 2
        if independent <= ROUNDING**2:
            return 1.0
        return self.quantile(LEVEL) / NORMAL * float(np.sqrt(self.variance(deviations) / independent))

    def half_width(self, deviations: Floats, level: float = LEVEL) -> float:
        """Half the width of the interval of a mean over items; the deviations (n,) are as for `variance`."""
        return self.quantile(level) * float(np.sqrt(self.variance(deviations)))

    def quantile(self, level: float) -> float:
        """The two-sided quantile of Student's t with g - 1 degrees of freedom."""
        from scipy.special import stdtrit

        return float(stdtrit(self._freedom, (1 + level) / 2))

    def p_value(self, value: float, deviations: Floats) -> float:
        """Two-sided p-value of a mean that should be 0; the deviations (n,) are as for `variance`."""
        from scipy.special import stdtr

        error = float(np.sqrt(self.variance(deviations)))
        if error == 0:
            return float(value == 0)
        return float(2 * stdtr(self._freedom, -abs(value) / error))

    @property
    def _freedom(self) -> float:
        return max(self.effective - 1, LEAST_FREEDOM)

    def _over_joined(self, deviations: Floats) -> Any:
        """The sum of e_i e_j over joined pairs (i, j), for deviations e (..., n)."""
        members, sign, alone = self._subsets
        return np.square(deviations @ members) @ sign + np.square(deviations[..., alone]).sum(axis=-1)

    def _sums_of_joined(self, values: Floats) -> Floats:
        """(n,) the sum of values (n,) over the items that each is joined with."""
        members, sign, alone = self._subsets
        return np.asarray(members @ (sign * (values @ members)) + alone * values)

    @cached_property
    def _subsets(self) -> tuple[Any, Floats, NDArray[np.bool_]]:
        """Which items hold each set of captions, (n, sets) sparse; a sign of each set; which items share nothing.

        By inclusion and exclusion, the signs of all sets that two items both hold add up to 1 if they share a caption.
        """
        from scipy.sparse import csr_array

        names = np.sort(self._captions, axis=1)
        rows, columns, signs, count = [], [], [], 0
        for size in range(1, names.shape[1] + 1):
            choices = [list(choice) for choice in combinations(range(names.shape[1]), size)]
            items = [np.flatnonzero(names[:, choice[0]] >= 0) for choice in choices]
            sets = np.concatenate([names[some][:, choice] for some, choice in zip(items, choices, strict=True)])
            if len(sets):
                distinct, label = np.unique(sets, axis=0, return_inverse=True)
                rows.append(np.concatenate(items))
                columns.append(count + label.ravel())
                signs.append(np.full(len(distinct), 1.0 if size % 2 else -1.0))
                count += len(distinct)
        alone = np.asarray((names < 0).all(axis=1))
        if not rows:
            return csr_array((len(self), 0)), np.zeros(0), alone
        at = np.concatenate(rows), np.concatenate(columns)
        return csr_array((np.ones(len(at[0])), at), shape=(len(self), count)), np.concatenate(signs), alone


def families(items: ArrayLike, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each item with its ancestors, (q, 1 + most ancestors), from pairs (item, ancestor) (m, 2); -1 for none.

    Items that share an ancestor, or of which one is above the other, are not independent.
    """
    ancestors = {int(item): [int(item)] for item in np.asarray(items)}
    for item, ancestor in pairs.tolist():
        ancestors[item].append(ancestor)
    return np.array([*zip_longest(*ancestors.values(), fillvalue=-1)], dtype=np.int64).T


def top_captions(chains: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the caption of each chain (n, T) that names its family: the most general tier that is not one caption."""
    return chains[:, np.any(chains != chains[:1], axis=0).argmax()]


def pairs_in_families(pairs: NDArray[np.int64], chains: NDArray[np.int64]) -> Sharing:
    """What distinct pairs (P, 2) of a parent and its child share: captions, and the family of a chain that holds them.

    Of the families of a pair, the `JOINING` with the most chains count.
    """
    tops = top_captions(chains)
    _, family, sizes = np.unique(tops, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes[family], kind="stable")
    found: dict[tuple[int, ...], dict[int, None]] = {pair: {} for pair in map(tuple, pairs.tolist())}
    for top, chain in zip(tops[order].tolist(), chains[order].tolist(), strict=True):
        for pair in pairwise(chain):
            if pair in found and len(found[pair]) < JOINING:
                found[pair][top] = None
    columns = np.array([*zip_longest(*found.values(), fillvalue=-1)], dtype=np.int64)
    return Sharing(np.concatenate([pairs, columns.T], axis=1))


def p_value_of_draws(value: float, draws: Floats, items: float, *, widened: bool = False) -> float:
    """Two-sided p-value of a number that should be 0, from its bootstrap draws (samples,), by Student's t.

    The draws are of so many independent items, or `Sharing.effective` ones and `widened` by what items share
    (`Sharing.widening`). Average precisions of few items are skewed, and rejected too often: of 100 in 7 %, not 5.
    """
    from scipy.special import stdtr, stdtrit

    freedom = max(items - 1, LEAST_FREEDOM)
    scale = NORMAL / stdtrit(freedom, 0.975) if widened else np.sqrt(items / freedom)
    error = float(np.std(draws) * scale)
    return float(2 * stdtr(freedom, -abs(value) / error)) if error > 0 else float(value == 0)


class Tested(NamedTuple):
    """A mean over items in [-1, 1] that is 0 by chance."""

    value: float
    interval: Interval  # 95 %; it excludes 0 where the p-value is below 0.05
    narrow: Interval  # 90 %
    p_value: float  # two-sided
    items: int
    effective: float  # `Sharing.effective` of the items

    @property
    def as_share(self) -> "Tested":
        """The share of hits, where the mean is that of hits that are 1 and misses that are -1."""
        bounds = [Interval((1 + low) / 2, (1 + high) / 2) for low, high in (self.interval, self.narrow)]
        return self._replace(value=(1 + self.value) / 2, interval=bounds[0], narrow=bounds[1])


def mean_test(sharing: Sharing, values: Floats) -> Tested:
    """Test the mean of values (n,) in [-1, 1], one for each item, against 0 by Student's t."""
    value = float(values.mean())
    return deviating_test(sharing, value, values - value)


def deviating_test(sharing: Sharing, value: float, deviations: Floats) -> Tested:
    """Test a mean in [-1, 1] against 0 by Student's t, from the deviations (n,) of items from it."""
    if float(np.abs(deviations).max()) <= ROUNDING:
        return _agreed(sharing, value)

    p_value = sharing.p_value(value, deviations)
    caution = sharing.caution(deviations)
    wide, narrow = (_skewed(value, sharing.half_width(deviations, level), caution) for level in (LEVEL, NARROW))
    return Tested(value, wide, narrow, p_value, len(sharing), sharing.effective)


def _skewed(value: float, half: float, caution: float) -> Interval:
    """The interval of a mean in [-1, 1] whose half width, `caution` aside, tells on which side of 0 it lies.

    Near -1 and 1 items deviate rarely and one way, and a few items may hold none that does: the end towards 0 is as far
    away on the scale of artanh.
    """
    size, wide = min(abs(value), 1 - ROUNDING), caution * half
    inner = min(size - wide, float(np.tanh(np.arctanh(size) - wide / (1 - size**2))))
    if size > half:
        inner = max(inner, ROUNDING)
    low, high = max(-1.0, inner), min(1.0, abs(value) + wide)
    return Interval(low, high) if value >= 0 else Interval(-high, -low)


def permutation_test(
    sharing: Sharing,
    statistic: Callable[[Floats], tuple[Any, Floats]],
    radii: Floats,
    strata: NDArray[Any] | None = None,
    *,
    seed: int = 0,
) -> Tested:
    """Test whether radii order items better or worse than chance, two-sided.

    Radii (U,) are permuted among distinct captions, of equal strata (U,) if there are any, such as numbers of words.
    The p-value is the larger one of that of the permutations of |value| / standard error and that of Student's t;
    intervals hold the values that are not rejected. The statistic takes radii (k, U) and gives means over items, in
    [-1, 1] and 0 by chance, (k,), and the deviations (k, n) of the items from them.
    """
    (observed,), deviations = statistic(radii[None])
    value, error = float(observed), float(np.sqrt(sharing.variance(deviations[0])))
    error = error if error > ROUNDING else 0.0
    strata = np.zeros(len(radii), np.int64) if strata is None else strata
    drawn = map(statistic, _permuted(radii, strata, len(sharing), seed))
    sizes = np.concatenate([_studentised(means, np.sqrt(sharing.variance(others))) for means, others in drawn])
    larger = np.count_nonzero(sizes >= _studentised(value, error) * (1 - ROUNDING))
    student = sharing.p_value(value, deviations[0]) if error else _share_p_value(value, sharing.effective)
    p_value = float(max((1 + larger) / (1 + len(sizes)), student))
    caution = sharing.caution(deviations[0])

    def interval(level: float) -> Interval:
        if error == 0:
            low, high = _share_interval(value, sharing.effective, level)
            return Interval(low, high) if p_value <= 1 - level else Interval(min(low, 0.0), max(high, 0.0))
        half = error * max(sharing.quantile(level), float(np.quantile(sizes, level, method="higher")))
        return _skewed(value, half, caution)

    return Tested(value, interval(LEVEL), interval(NARROW), p_value, len(sharing), sharing.effective)


def _permuted(radii: Floats, strata: NDArray[Any], items: int, seed: int) -> Iterator[Floats]:
    """Radii (k, U) permuted within strata, a block at a time."""
    generator = np.random.default_rng(seed)
    members, (_, label) = np.argsort(strata, kind="stable"), np.unique(strata, return_inverse=True)
    count = min(PERMUTATIONS, max(FEWEST, WORK // len(radii)))
    size = max(1, AT_ONCE // max(items, len(radii)))
    for start in range(0, count, size):
        keys = generator.random((min(size, count - start), len(radii))) + label
        permuted = np.empty(keys.shape)
        permuted[:, members] = radii[np.argsort(keys, axis=1)]
        yield permuted


def _studentised(value: Any, error: Any) -> Any:
    """|value| / error; infinite where only the error is 0, and 0 where both are."""
    size, error = np.abs(value), np.asarray(error)
    sure = np.divide(size, error, out=np.full(np.shape(size), np.inf), where=error > ROUNDING)
    return np.where(size > ROUNDING, sure, 0.0)


def _agreed(sharing: Sharing, value: float) -> Tested:
    """The test of items of one value: exact where all are -1 or 1; other values say nothing about their spread."""
    if abs(value) < 1 - ROUNDING:
        point = Interval(value, value)
        return Tested(value, point, point, float(abs(value) <= ROUNDING), len(sharing), sharing.effective)
    wide, narrow = (_share_interval(value, sharing.effective, level) for level in (LEVEL, NARROW))
    p_value = _share_p_value(value, sharing.effective)
    return Tested(value, wide, narrow, p_value, len(sharing), sharing.effective)


def _share_interval(value: float, effective: float, level: float) -> Interval:
    """The exact interval of the mean of as many independent items that are -1 or 1; of 0 a point."""
    if abs(value) <= ROUNDING:
        return Interval(0.0, 0.0)
    low, high = proportion_interval(effective * round((1 + value) / 2, 12), effective, level)
    return Interval(2 * low - 1, 2 * high - 1)


def _share_p_value(value: float, effective: float) -> float:
    """The two-sided p-value of that mean, exact where as many items are whole."""
    from scipy.special import betainc

    hits = effective * (1 + abs(value)) / 2
    return 1.0 if abs(value) <= ROUNDING else min(1.0, 2 * float(betainc(hits, effective - hits + 1, 0.5)))
