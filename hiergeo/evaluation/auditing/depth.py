"""Radial depth: tau_d against its exact distribution when the tiers of every chain are permuted at random.

Permuting the tiers of a chain permutes its radii. If radii say nothing about tiers, all orders are equally likely. With
P = T (T - 1) / 2 pairs of tiers, of which e have equal radii, tau_d of a chain is (P - e - 2 I) / P, where I counts the
inversions. Over all orders of radii with equal values in groups of sizes m_1, m_2, ... the generating function of I is
the q-multinomial coefficient [T]! / ([m_1]! [m_2]! ...); without ties it is the Mahonian distribution. The sum over
chains is the convolution of these, so the p-value is exact and needs no random permutations. By symmetry the mean of
tau_d is exactly 0.

Source: MacMahon, Combinatory Analysis (1915), for the generating functions; Kendall, Rank Correlation Methods (1948).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.evaluation.metrics import tau_d_rows

SMALLEST_P = 1e-12
"""Smallest p-value that is reported: sums over the distribution are no more accurate."""

DETECTION = 1.6448536269514722 + 0.8416212335729143
"""Standard deviations from chance at which a one-sided 5 % test has 80 % power: z(0.95) + z(0.80)."""


class Depth(NamedTuple):
    """Radial depth of chains.

    Attributes:
        tau_d: mean over chains.
        null_std: its standard deviation over all permutations of the tiers within chains, which have the mean 0.
        p_value: share of the permutations with a tau_d at least as large, at least `SMALLEST_P`.
        sensitivity: smallest tau_d that a sample of this size detects with 80 % power at the 5 % level.
    """

    tau_d: float
    null_std: float
    p_value: float
    sensitivity: float


def radial_depth(radii: ArrayLike) -> Depth:
    """Depth of chains, (n, T) radii from general to specific; chains count as independent.

    Raises:
        InputError: as `tau_d_rows`.
    """
    rows = tau_d_rows(radii)
    values = np.sort(np.asarray(radii, dtype=np.float64), axis=1)
    chains, tiers = values.shape
    pairs = tiers * (tiers - 1) // 2
    patterns, counts = np.unique(np.diff(values, axis=1) == 0, axis=0, return_counts=True)
    laws = [inversions(group_sizes(pattern)) for pattern in patterns]
    variance = sum(int(count) * _variance(law) for count, law in zip(counts, laws, strict=True))
    std = 2 * float(np.sqrt(variance)) / (chains * pairs)
    untied = sum(int(count) * (len(law) - 1) for count, law in zip(counts, laws, strict=True))
    observed = round((untied - float(rows.sum()) * pairs) / 2)
    return Depth(
        float(rows.mean()), std, max(SMALLEST_P, _share_up_to(observed, laws, counts, untied)), DETECTION * std
    )


def group_sizes(equal: np.ndarray) -> list[int]:
    """Sizes of the groups of equal values in sorted order; `equal` (T - 1,) says which neighbours are equal."""
    ends = np.flatnonzero(np.append(~equal, True))
    return [int(size) for size in np.diff(np.append(-1, ends))]


def inversions(sizes: list[int]) -> np.ndarray:
    """Probabilities of 0, 1, ... inversions in a random order of values that are equal in groups of these sizes."""
    law, placed = np.ones(1), 0
    for size in sizes:
        law = np.convolve(law, _gaussian_binomial(placed, size))
        placed += size
    return np.asarray(law / law.sum(), dtype=np.float64)


def _gaussian_binomial(a: int, b: int) -> np.ndarray:
    """Coefficients of the Gaussian binomial (a + b choose b): orders of a + b values of two kinds, by inversions."""
    row = [np.ones(1)] * (b + 1)
    for i in range(1, a + 1):
        fresh = [np.ones(1)]
        for j in range(1, b + 1):
            whole = np.zeros(i * j + 1)
            whole[: len(row[j])] += row[j]
            whole[i : i + len(fresh[j - 1])] += fresh[j - 1]
            fresh.append(whole)
        row = fresh
    return row[b]


def _variance(law: np.ndarray) -> float:
    at = np.arange(len(law))
    mean = float(law @ at)
    return float(law @ (at - mean) ** 2)


def _share_up_to(observed: int, laws: list[np.ndarray], counts: np.ndarray, untied: int) -> float:
    """P(total inversions <= observed) when chain i draws its inversions from its law, independently."""
    if untied == 0:
        return 1.0
    transform = np.ones(1, dtype=np.complex128)
    for law, count in zip(laws, counts, strict=True):
        transform = transform * np.fft.rfft(law, untied + 1) ** int(count)
    law = np.fft.irfft(transform, untied + 1).clip(min=0)
    return float(min(1.0, law[: observed + 1].sum() / law.sum()))
