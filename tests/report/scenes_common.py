"""A small study of drawn scenes, which tests of its report share."""

from dataclasses import replace
from functools import cache

from hiergeo import adapters, datasets
from hiergeo.datasets import Hierarchy
from hiergeo.training import Recipe, from_hierarchy
from hiergeo.training.study import Study, StudyPlan, StudySettings, run_study

HOSTILE = "<script>document.title = 'broken'</script> & \"quotes\""


@cache
def scenes_study() -> Study:
    """Two geometries, one learning its curvature, with two seeds each on sixty scenes; one caption is hostile."""
    model, scenes = adapters.load("tiny"), datasets.load("scenes").take(60)
    first, *others = scenes.rows
    rows = (replace(first, positive=(*first.positive[:3], HOSTILE)), *others)
    test = Hierarchy(scenes.name, scenes.split, rows, scenes.images)
    chains = from_hierarchy(datasets.load("scenes", "train").take(120), model)
    recipe = Recipe(steps=30, every=10, batch=32, hidden=16, validation=0.2)
    plan = StudyPlan(("euclidean", "lorentz:-1"), (model.dim,), (0, 1), (5e-3,), recipe, learnable=True)
    return run_study(plan, chains, model, test, StudySettings(steps=10, samples=60))
