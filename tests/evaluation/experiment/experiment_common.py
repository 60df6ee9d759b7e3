"""What the tests of experiments share: measurements made up row by row."""

from dataclasses import replace

import numpy as np

from hiergeo.evaluation import Result
from hiergeo.evaluation.experiment import Board, Contrast, Run, SpaceFacts
from hiergeo.evaluation.metrics import Interval, bootstrap_draws


def result(metrics: dict[str, float], geometry: str = "euclidean", bend: float = 0.5, **fields) -> Result:
    """A result of nothing but what is given."""
    bend = 0.0 if geometry == "euclidean" else bend
    given = {"draws": {}, "diagnostics": {"bend": bend}} | fields
    return Result(metrics, {"model": "model", "geometry": geometry}, **given)


def run(geometry: str, made: Result, seed: int | None = None, dim: int = 8, model: str = "model") -> Run:
    return Run(geometry, model, geometry, made, dim, seed)


def measured(geometry: str, rows, metric="recall", seed=None, samples=400, bend=0.5) -> Run:
    """A run whose metric is the mean of given values per item."""
    draws = bootstrap_draws(lambda counts: float(counts @ rows) / len(rows), len(rows), samples=samples)
    fields = {"draws": {metric: draws}, "rows": {metric: rows}, "items": {metric: len(rows)}}
    return run(geometry, result({metric: float(rows.mean())}, geometry, bend, **fields), seed)


def space(geometry: str, bend: float = 0.5) -> SpaceFacts:
    return SpaceFacts.of([measured(geometry, np.ones(3), bend=bend)])


def compared(rows: dict[str, np.ndarray], *, bends: dict[str, float] | None = None, metric: str = "recall") -> Board:
    """The board of frozen embeddings from values per item of every geometry."""
    bent = bends or {}
    return Board(tuple(measured(each, values, metric, bend=bent.get(each, 0.5)) for each, values in rows.items()))


def changed(made: Run, **fields) -> Run:
    """A run with other fields of its result."""
    return replace(made, result=replace(made.result, **fields))


def hits(count: int, extra: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """0/1 values of `count` items, and the same with `extra` of the zeros turned into ones."""
    base = (np.random.default_rng(seed).random(count) < 0.5).astype(float)
    better = base.copy()
    better[np.flatnonzero(base == 0)[:extra]] = 1
    return base, better


def trained(values: dict[str, list[float]], metrics: tuple[str, ...] = ("recall",), resampling: int = 0) -> Board:
    """Several seeds of every geometry, each a constant under resampling of the items, the same in every metric."""
    return Board(
        tuple(
            run(
                spec,
                result(dict.fromkeys(metrics, value), spec, draws={name: np.full(200, value) for name in metrics}),
                seed,
            )
            for spec, of_seeds in values.items()
            for seed, value in enumerate(of_seeds)
        ),
        resampling=resampling,
    )


def contrast(difference, half, wide, metric="auroc", a="euclidean", b="lorentz:-1"):
    ends = [Interval(difference - reach, difference + reach) for reach in (half, wide)]
    return Contrast(metric, 8, a, b, difference, *ends)
