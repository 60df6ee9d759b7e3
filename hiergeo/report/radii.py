"""Distribution of radii by tier: histograms over common bins, and the growth of circles at those radii."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hiergeo.evaluation import Result
from hiergeo.geometry.base import bend

BINS = 40
"""Number of bins between the smallest and the largest radius."""


@dataclass(frozen=True)
class Radii:
    """Radii of the captions of one space.

    Attributes:
        title: of the space.
        edges: (BINS + 1,) bounds of the bins, in geodesic units.
        counts: (T, BINS) number of chains whose caption of that tier is in the bin; rows sum to the number of chains.
        means: (T,) mean radius of each tier.
        growth: (BINS + 1,) sn(r) at the edges, a circle of radius r being 2 pi sn(r) long; None without one curvature.
    """

    title: str
    edges: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    growth: np.ndarray | None


def distributions(results: Mapping[str, Result]) -> list[Radii]:
    """The radii of each result, titled by its key, all over the same bins."""
    edges = np.histogram_bin_edges(np.concatenate([result.radii.ravel() for result in results.values()]), bins=BINS)
    return [
        Radii(
            title,
            edges,
            np.stack([np.histogram(tier, edges)[0] for tier in result.radii.T]),
            result.radii.mean(0),
            _growth(result, edges),
        )
        for title, result in results.items()
    ]


def tallest(drawn: Sequence[Radii]) -> int:
    """Number of chains in the tallest bar of all."""
    return max(int(space.counts.max()) for space in drawn)


def _growth(result: Result, radius: np.ndarray) -> np.ndarray | None:
    curvature = result.diagnostics.get("curvature")
    return None if curvature is None else np.array([r * (1 + bend(curvature, r)) for r in radius.tolist()])
