"""A study from plan to conclusion: tune, train a head a seed, measure, compare."""

import math
from collections.abc import Collection

import numpy as np

from hiergeo._numerics import torch_defaults
from hiergeo._progress import track
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy
from hiergeo.evaluation.embedded import embed
from hiergeo.evaluation.measuring import Settings, check
from hiergeo.study import tuning
from hiergeo.study.bench import Bench
from hiergeo.study.conclusion import conclude
from hiergeo.study.contrasts import contrasts
from hiergeo.study.plan import Plan
from hiergeo.study.refusals import check_data, check_reach
from hiergeo.study.result import Cell, Run, Study
from hiergeo.study.spaces import charts, same_by_construction
from hiergeo.study.verdicts import verdict
from hiergeo.training import Chains, train_head
from hiergeo.training.splitting import split_groups


@torch_defaults()
def run_study(
    plan: Plan,
    chains: Chains,
    model: Model,
    test: Hierarchy,
    *,
    steps: int = 50,
    unseen: np.ndarray | None = None,
    held_out: Collection[int] | None = None,
    samples: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> Study:
    """Train and measure a head for every geometry, dimension and seed of a plan, on the same data.

    Args:
        plan: what is compared.
        chains: what heads learn from; pairs are measured on the share of them that the plan sets aside.
        model: the frozen model that the chains are of, with embeddings of the test rows.
        test: what the ``re`` protocol and retrieval measure.
        steps: thresholds of ``re``.
        unseen: (rows of `test`,) booleans, rows that share no text with the chains; they get a tau_d of their own.
        held_out: ids of the images that retrieval is measured on; None is all of them.
        samples: bootstrap resamples.
        seed: of the bootstrap.
        progress: show bars for work that outlasts a second.

    Raises:
        InputError: chains of another model, a prior between different dimensions, a head that does not fit into its
            space before any training, and whatever `hiergeo.training.summarise` refuses.
    """
    check("re", steps, seed, samples)
    check_data(plan, chains, model, test, unseen)
    training, aside = (chains.take(rows) for rows in split_groups(chains, plan.set_aside, min(plan.seeds)))
    frozen = embed(model, test, progress=progress)
    check_reach(plan, frozen, chains)
    bench = Bench(model, frozen, aside, Settings("re", steps, seed, samples), unseen, held_out)
    before = {spec: bench.without_head(spec) for spec in plan.geometries}

    tried = _tune(plan, training, model, progress)
    runs: dict[tuple[str, int], list[Run]] = {cell: [] for cell in plan.cells}
    heads = [(cell, head_seed) for cell in plan.cells for head_seed in plan.seeds]
    for (spec, dim), head_seed in track(heads, "training", enabled=progress):
        recipe = plan.head(dim, head_seed, tuning.best(tried[spec, dim]))
        trained = train_head(training, plan.geometry(spec), recipe)
        runs[spec, dim].append(bench.run(trained, before[spec], plan.geometry(spec)))

    cells = tuple(
        Cell(spec, dim, tuning.best(scores), tuple(runs[spec, dim]), scores if len(scores) > 1 else {})
        for (spec, dim), scores in tried.items()
    )
    twins = charts(plan.geometries)
    same = same_by_construction(plan.geometries, tuple(plan.recipe.losses))
    found = contrasts(cells, twins, same, seed)
    return Study(
        plan=plan,
        frozen=frozen,
        before=before,
        cells=cells,
        contrasts=found,
        verdicts={(cell.geometry, cell.dim): verdict(cell) for cell in cells},
        conclusion=conclude(cells, found, twins, same, chains.leakage),
        same=same,
        twins=twins,
        leakage=chains.leakage,
    )


def _tune(plan: Plan, chains: Chains, model: Model, progress: bool) -> dict[tuple[str, int], dict[float, float]]:
    """Cell -> learning rate -> score on validation rows; a single candidate needs no trial, and scores nothing."""
    if len(plan.learning_rates) == 1:
        return {cell: dict.fromkeys(plan.learning_rates, math.nan) for cell in plan.cells}
    tried: dict[tuple[str, int], dict[float, float]] = {cell: {} for cell in plan.cells}
    trials = [(cell, rate) for cell in plan.cells for rate in plan.learning_rates]
    for cell, rate in track(trials, "tuning", enabled=progress):
        tried[cell][rate] = tuning.validation_score(plan, *cell, rate, chains, model)
    return tried
