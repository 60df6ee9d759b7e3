"""The learning rate of a geometry and dimension: the same candidates for everyone, judged on validation rows alone."""

import math

import torch

from hiergeo.adapters import Model
from hiergeo.errors import InputError
from hiergeo.geometry import Space
from hiergeo.study.bench import beyond_the_equator, score_pairs
from hiergeo.study.plan import Plan
from hiergeo.training import Chains, HeadModel, train_head
from hiergeo.training.splitting import split_groups

JUDGE = "auroc_margin"
"""What judges the candidates: a rank statistic, of the same scale in every geometry, and one that products have."""


def validation_score(plan: Plan, spec: str, dim: int, rate: float, chains: Chains, model: Model) -> float:
    """`JUDGE` on the validation rows of a seed that is not among the plan's; NaN where training breaks off."""
    recipe = plan.head(dim, plan.tuning_seed, rate)
    trained = train_head(chains, plan.geometry(spec), recipe)
    if trained.diverged:
        return math.nan
    _, validation = split_groups(chains, recipe.validation, recipe.seed)
    try:
        with torch.no_grad(), beyond_the_equator():
            outcome = score_pairs(chains.take(validation), HeadModel(model, trained.head), Space(trained.geometry))
    except InputError:
        return math.nan
    return outcome.statistics[JUDGE].value


def best(scores: dict[float, float]) -> float:
    """The rate with the best score, the first of equal ones; the smallest where training broke at all of them."""
    usable = {rate: score for rate, score in scores.items() if not math.isnan(score)}
    return max(usable, key=lambda rate: usable[rate]) if usable else min(scores)
