"""Does the radius order the tiers: Kendall's tau of each chain of captions, ties counting nothing."""

import numpy as np
from numpy.typing import ArrayLike

from hiergeo.errors import InputError
from hiergeo.metrics._checks import checked


def tau_d(radii: ArrayLike) -> float:
    """The mean over chains of `tau_d_rows`, in [-1, 1]; 1 when radii grow strictly from general to specific.

    The distance correlation of Alper and Averbuch-Elor (ECCV 2024). Their code ranks by arg-sort, which breaks ties in
    favour of a model that collapses all tiers; here a tied pair counts 0, and `tied_share` tells how many there are.

    Args:
        radii: shape (n, T), tiers from general to specific.

    Raises:
        InputError: `radii` is empty, has another shape, fewer than two tiers, or NaN.
    """
    return float(tau_d_rows(radii).mean())


def tau_d_rows(radii: ArrayLike) -> np.ndarray:
    """Shape (n,): (concordant - discordant) / (T (T - 1) / 2) over the pairs of tiers of each chain, in [-1, 1]."""
    return _pair_signs(radii).mean(axis=1)


def tied_share(radii: ArrayLike) -> float:
    """The share of pairs of tiers, over all chains, whose radii are exactly equal, in [0, 1]."""
    return float((_pair_signs(radii) == 0).mean())


def _pair_signs(radii: ArrayLike) -> np.ndarray:
    """Shape (n, T (T - 1) / 2): 1 where the more specific tier has the larger radius, -1 the smaller, 0 the same."""
    tiers = checked("radii", radii, ndim=2)
    if tiers.shape[1] < 2:
        raise InputError(f"radii must have at least 2 tiers to order, not shape {tiers.shape}.")
    general, specific = np.triu_indices(tiers.shape[1], k=1)
    concordant = tiers[:, specific] > tiers[:, general]
    discordant = tiers[:, specific] < tiers[:, general]
    return concordant.astype(np.float64) - discordant
