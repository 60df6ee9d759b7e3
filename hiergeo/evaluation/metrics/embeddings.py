"""Statistics of embeddings themselves: the order of radii along chains and the drift of cosine similarities."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics._checks import checked


def tau_d(radii: ArrayLike) -> float:
    """Mean of `tau_d_rows` over chains, in [-1, 1]; 1 if radii increase strictly from general to specific.

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


class Drift(NamedTuple):
    """How the cosine similarities of pairs of texts differ between two models.

    Attributes:
        change: mean |cos_after - cos_before| over all pairs, in [0, 2].
        correlation: Pearson correlation, in [-1, 1]; NaN if all cosines of a model are equal.
    """

    change: float
    correlation: float


def similarity_drift(before: ArrayLike, after: ArrayLike) -> Drift:
    """Drift of the cosine similarities of n texts between two models, over all n (n - 1) / 2 pairs; O(n^2) memory.

    Args:
        before: (n, D) embeddings, of any norm but 0.
        after: (n, D'), of the same texts.

    Raises:
        InputError: fewer than two texts, different numbers of them, a zero row, NaN.
    """
    old, new = (_cosines(name, rows) for name, rows in (("before", before), ("after", after)))
    if len(old) != len(new):
        raise InputError(f"before and after must be of the same texts, not {len(old)} and {len(new)} pairs.")
    level = old.std() == 0 or new.std() == 0
    return Drift(float(np.abs(new - old).mean()), float("nan") if level else float(np.corrcoef(old, new)[0, 1]))


def _cosines(name: str, rows: ArrayLike) -> np.ndarray:
    array = checked(name, rows, ndim=2)
    if len(array) < 2:
        raise InputError(f"{name} must hold at least 2 texts, not {len(array)}.")
    norm = np.linalg.norm(array, axis=1, keepdims=True)
    if not norm.all():
        raise InputError(f"row {int(np.argmin(norm))} of {name} is zero: it has no direction.")
    unit = array / norm
    return np.clip(unit @ unit.T, -1, 1)[np.triu_indices(len(array), k=1)]
