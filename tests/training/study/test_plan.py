"""What a study refuses before any work, which cells it has, and which specs are one space."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import RADIAL
from hiergeo.training.study import run_study
from hiergeo.training.study.running import same_by_construction
from tests.training.study.study_common import SMALL, plan
from tests.training.training_common import chains, hierarchy, stored


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"geometries": ()}, "different geometries, not none"),
        ({"geometries": ("lorentz:-1", "lorentz:-1.0")}, "different geometries"),
        ({"geometries": ("lorenz:-1",)}, "did you mean 'lorentz'"),
        ({"dims": (4, 4)}, "different dimensions"),
        ({"dims": (0, 4)}, "every dimension"),
        ({"dims": (8,)}, "have 4 dimensions, which is none of the study's"),
        ({"seeds": (3,)}, r"at least 2 seeds \(5 are recommended\)"),
        ({"seeds": (1, 1)}, "different seeds"),
        ({"seeds": (-1, 1)}, "seed"),
        ({"learning_rates": (0.1, -1.0)}, "learning rate"),
        ({"set_aside": 1.0}, "between 0 and 1"),
    ],
)
def test_plans_that_compare_nothing(changes, said):
    with pytest.raises(InputError, match=said):
        plan(**changes)


def test_a_product_takes_part_where_its_factors_fit():
    assert plan(dims=(2, 4), geometries=("euclidean", "product:lorentz:-1x2,euclidean:x2")).cells == (
        ("euclidean", 2),
        ("euclidean", 4),
        ("product:lorentz:-1x2,euclidean:x2", 4),
    )


def test_what_cannot_differ_under_losses_that_see_no_curvature():
    flat = ("euclidean", "lorentz:-1")
    assert same_by_construction(cells(flat), ["prior", "order"]) == RADIAL
    assert same_by_construction(cells(flat), ["prior", "order", "mean"]) == frozenset()
    summed = cells((*flat, "product:lorentz:-1x2,euclidean:x2,l1"))
    assert same_by_construction(summed, ["order"]) == frozenset()
    assert same_by_construction(cells(flat, rates=(0.1, 0.2)), ["order"]) == frozenset()
    assert same_by_construction(cells(flat, problems=(None, "untrained")), ["order"]) == frozenset()


def cells(specs, rates=None, problems=None):
    """What matters of the cells of a study."""
    rates, problems = rates or [0.1] * len(specs), problems or [None] * len(specs)
    return [
        SimpleNamespace(geometry=spec, dim=4, learning_rate=rate, runs=(SimpleNamespace(problem=problem),))
        for spec, rate, problem in zip(specs, rates, problems, strict=False)
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": replace(SMALL, losses={"prior": 1.0})}, "without it, such as mean=1"),
        ({"geometries": ("sphere:4",), "recipe": replace(SMALL, losses={"mean": 1.0})}, "antipode"),
    ],
)
def test_data_that_do_not_fit_the_plan(tmp_path, monkeypatch, changes, said):
    monkeypatch.setattr("hiergeo.training.study.running.train_head", None)
    with pytest.raises(InputError, match=said):
        run_study(plan(**changes), chains(), stored(tmp_path / "base.npz"), hierarchy())


def test_chains_of_another_model_are_refused(tmp_path):
    made, model = chains(), stored(tmp_path / "base.npz")
    with pytest.raises(InputError, match="use one model"):
        run_study(plan(), replace(made, text=made.text[:, :6], root=made.root[:6]), model, hierarchy())
    with pytest.raises(InputError, match="different models"):
        run_study(plan(), replace(made, root=-made.root), model, hierarchy())
    with pytest.raises(InputError, match="unseen must mark"):
        run_study(plan(), made, model, hierarchy(), unseen=np.zeros(3, bool))
