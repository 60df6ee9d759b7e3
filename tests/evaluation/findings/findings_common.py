"""What the tests of findings share: measurements made up row by row."""

import numpy as np

from hiergeo.evaluation.findings import (
    Contrast,
    Cube,
    Entry,
    Findings,
    SpaceFacts,
    contrast_all,
    flat_spaces,
    identity,
    small_samples,
)
from hiergeo.evaluation.metrics import Interval, bootstrap_draws


def measured(geometry: str, rows: np.ndarray, metric: str = "recall", seed: int | None = None, samples=400) -> Entry:
    """An entry whose metric is the mean of given values per item."""
    draws = bootstrap_draws(lambda counts: float(counts @ rows) / len(rows), len(rows), samples=samples)
    return Entry(
        "model", geometry, 8, seed, {metric: float(rows.mean())}, {metric: draws}, {metric: rows}, {metric: len(rows)}
    )


def space(geometry: str, bend: float = 0.5) -> SpaceFacts:
    curved = geometry != "euclidean"
    return SpaceFacts(geometry, 8, identity(geometry), curved, bend if curved else 0.0)


def compared(rows: dict[str, np.ndarray], *, bends: dict[str, float] | None = None, metric: str = "recall") -> Findings:
    """Findings of frozen embeddings from values per item of every geometry."""
    cube = Cube(tuple(measured(geometry, values, metric) for geometry, values in rows.items()))
    spaces = tuple(space(geometry, (bends or {}).get(geometry, 0.5)) for geometry in rows)
    contrasts = contrast_all(cube, spaces, without=frozenset(), seed=0)
    return Findings(cube, spaces, contrasts, cautions=(*small_samples(cube), *flat_spaces(spaces)))


def hits(count: int, extra: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """0/1 values of `count` items, and the same with `extra` of the zeros turned into ones."""
    base = (np.random.default_rng(seed).random(count) < 0.5).astype(float)
    better = base.copy()
    better[np.flatnonzero(base == 0)[:extra]] = 1
    return base, better


def trained(values: dict[str, list[float]], metrics: tuple[str, ...] = ("recall",)) -> Cube:
    """Several seeds of every geometry, each a constant under resampling of the items, the same in every metric."""
    return Cube(
        tuple(
            Entry("m", spec, 8, seed, dict.fromkeys(metrics, value), {name: np.full(200, value) for name in metrics})
            for spec, each in values.items()
            for seed, value in enumerate(each)
        )
    )


def contrast(difference, half, wide, metric="auroc", a="euclidean", b="lorentz:-1"):
    ends = [Interval(difference - reach, difference + reach) for reach in (half, wide)]
    return Contrast(metric, 8, a, b, difference, *ends)
