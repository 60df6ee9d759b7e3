"""A small study made by hand, so that its report can be tested without the code that runs studies."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from hiergeo import adapters, datasets
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation import Result
from hiergeo.evaluation.embedded import Embedded, embed
from hiergeo.geometry import Space
from hiergeo.metrics import Interval, percentile_interval
from hiergeo.study import Cell, Contrast, Plan, Run, Study
from hiergeo.training import Chains, HeadModel, Recipe, from_hierarchy, summarise, train_head

HOSTILE = "<script>document.title = 'broken'</script> & \"quotes\""
FAST = Recipe(steps=30, every=10, batch=32, hidden=16, learning_rate=5e-3, validation=0.2, patience=None)


def scenes_study() -> Study:
    """Two geometries, one of them learning its curvature, with two seeds each on sixty scenes; one caption is hostile."""
    model, scenes = adapters.load("tiny"), datasets.load("scenes").take(60)
    rows = (replace(scenes.rows[0], positive=(*scenes.rows[0].positive[:3], HOSTILE)), *scenes.rows[1:])
    test = Hierarchy(scenes.name, scenes.split, rows, scenes.images)
    plan = Plan(("euclidean", "lorentz:-1"), (64,), (0, 1), (5e-3,), FAST, learnable=True)
    return make_study(plan, from_hierarchy(datasets.load("scenes", "train").take(120), model), model, test)


def make_study(plan: Plan, chains: Chains, model: Model, test: Hierarchy, steps: int = 10, samples: int = 60) -> Study:
    """Train and measure every head of a plan, at the first of its learning rates."""
    frozen = embed(model, test, negatives=True)
    cells = tuple(
        Cell(spec, dim, plan.learning_rates[0], _runs(plan, spec, dim, chains, model, test, steps, samples))
        for dim in plan.dims
        for spec in plan.geometries
    )
    before = {cell.geometry: cell.runs[0].summary.before for cell in cells}
    contrasts = tuple(
        _contrast(metric, a, b)
        for a, b in combinations(cells, 2)
        if a.dim == b.dim
        for metric in _after(a)[0].draws
        if metric in _after(b)[0].draws
    )
    verdicts = {(cell.geometry, cell.dim): _after(cell)[0].verdict for cell in cells}
    conclusion = "No geometry is better than the others. Every difference in precision has an interval with 0 in it."
    return Study(plan, frozen, before, cells, contrasts, verdicts, conclusion)


def _runs(
    plan: Plan, spec: str, dim: int, chains: Chains, model: Model, test: Hierarchy, steps: int, samples: int
) -> tuple[Run, ...]:
    runs = []
    for seed in plan.seeds:
        recipe = replace(plan.recipe, seed=seed, outputs=dim, learning_rate=plan.learning_rates[0])
        trained = train_head(chains, plan.geometry(spec), recipe)
        behind = HeadModel(model, trained.head)
        summary = summarise(behind, test, Space(trained.geometry), steps=steps, samples=samples)
        runs.append(Run(seed, trained, summary, summary.metrics(), summary.after.draws))
    return tuple(runs)


def _after(cell: Cell) -> list[Result]:
    return [run.summary.after for run in cell.runs]


def _contrast(metric: str, a: Cell, b: Cell) -> Contrast:
    left, right = (np.mean([result.draws[metric] for result in _after(cell)], axis=0) for cell in (a, b))
    means = [np.mean([result.metrics[metric] for result in _after(cell)]) for cell in (a, b)]
    low, high = percentile_interval(left - right)
    together = Interval(low - 0.01, high + 0.01)
    return Contrast(metric, a.dim, a.geometry, b.geometry, float(means[0] - means[1]), Interval(low, high), together)


__all__ = ["FAST", "HOSTILE", "Embedded", "make_study", "scenes_study"]
