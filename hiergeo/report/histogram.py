"""How the radii of each tier are distributed: counts in bins that all tiers and geometries share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 40
"""Bins between the smallest and the largest radius."""


@dataclass(frozen=True)
class Histogram:
    """Counts of radii.

    Attributes:
        edges: (BINS + 1,) bounds of the bins, in geodesic units.
        counts: (T, BINS) chains whose caption of that tier lies in the bin; each row sums to the number of chains.
        means: (T,) mean radius of each tier.
    """

    edges: np.ndarray
    counts: np.ndarray
    means: np.ndarray


def histograms(radii: Sequence[np.ndarray]) -> list[Histogram]:
    """The histograms of several (n, T) arrays of radii over the same bins."""
    edges = np.histogram_bin_edges(np.concatenate([each.ravel() for each in radii]), bins=BINS)
    return [
        Histogram(edges, np.stack([np.histogram(tier, edges)[0] for tier in each.T]), each.mean(0)) for each in radii
    ]
