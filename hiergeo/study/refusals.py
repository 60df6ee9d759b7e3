"""What a study refuses once the data are known, before anything is trained."""

import numpy as np
import torch

from hiergeo.adapters import Model
from hiergeo.adapters.head.network import HeadShape
from hiergeo.datasets import Hierarchy
from hiergeo.errors import InputError
from hiergeo.evaluation.embedded import Embedded
from hiergeo.geometry import Space
from hiergeo.study.plan import Plan
from hiergeo.training import Chains, Head

AGREEMENT = 1e-2
"""Largest distance between two embeddings of the empty caption by one model: stored ones are rounded."""


def check_data(plan: Plan, chains: Chains, model: Model, test: Hierarchy, unseen: np.ndarray | None) -> None:
    """Raise InputError for chains and a model that do not go together, or a prior across dimensions."""
    inputs = chains.text.shape[1]
    if model.dim != inputs:
        raise InputError(
            f"{model.name} embeds in {model.dim} dimensions and {chains.origin} in {inputs}: use one model."
        )
    if (apart := float((model.root() - chains.root).norm())) > AGREEMENT:
        raise InputError(
            f"{model.name} and {chains.origin} embed the empty caption {apart:.2g} apart: they are of different models."
        )
    other = [dim for dim in plan.dims if dim != inputs]
    if other and "prior" in plan.recipe.losses:
        raise InputError(
            f"the prior compares embeddings of {other[0]} dimensions with frozen ones of {inputs}: name losses without "
            "it, such as mean=1 and order=20."
        )
    if unseen is not None and (unseen.shape != (len(test.rows),) or not unseen.any()):
        raise InputError(f"unseen must mark at least one of the {len(test.rows)} rows.")


@torch.no_grad()
def check_reach(plan: Plan, frozen: Embedded, chains: Chains) -> None:
    """Raise InputError for a space that is too small for what any of the untrained heads puts into it."""
    inputs = torch.cat([frozen.text, chains.text] + ([] if frozen.image is None else [frozen.image]))
    for dim in plan.dims:
        geometries = [plan.geometry(spec) for spec, at in plan.cells if at == dim]
        for seed in (*plan.seeds, plan.tuning_seed):
            head = Head(HeadShape(inputs.shape[1], dim, 0, plan.recipe.unit), seed)
            points, root = head(inputs), head(chains.root)
            for geometry in geometries:
                Space(geometry, root).points(points)
