"""What became of trained heads, and conclusions of studies, on numbers made by hand."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hiergeo.evaluation.experiment import board as boards
from hiergeo.training.study.result import HeadRun, Study, StudyCell
from tests.evaluation.experiment.experiment_common import contrast, result

HEALTHY = {"in_cone_random": 0.1, "aperture_root": 0.0, "radius_spread": 1.5, "bend": 0.3}


def head(seed=0, curvature=-1.0, problem=None, radius=1.0, **numbers) -> HeadRun:
    after = result({"auroc": 0.5}, diagnostics=HEALTHY | numbers, radii=np.full((2, 2), radius))
    look = SimpleNamespace(step=0, curvature=(curvature,))
    trained: Any = SimpleNamespace(recipe=SimpleNamespace(seed=seed), history=(look,), best=0)
    summary: Any = SimpleNamespace(after=after, drift={})
    return HeadRun(trained, summary, problem)


def heads(*runs, geometry="lorentz:-1", rate=0.1, tried=()) -> StudyCell:
    return StudyCell(geometry, 8, rate, runs or (head(),), dict.fromkeys(tried, 0.5))


FLAT_HEADS = heads(head(curvature=0.0, bend=0.0), geometry="euclidean")
CURVED_HEADS = heads()


@pytest.fixture
def study(monkeypatch):
    """A study of cells whose contrasts are those that are given."""

    def made(contrasts, cells=(FLAT_HEADS, CURVED_HEADS), seeds=5, shared=frozenset()) -> Study:
        monkeypatch.setattr(boards, "contrast_all", lambda *_, **__: tuple(contrasts))
        monkeypatch.setattr(boards, "small_samples", lambda _: ())
        several = tuple(
            replace(cell, runs=tuple(head_of(cell, seed) for seed in range(seeds))) if len(cell.runs) == 1 else cell
            for cell in cells
        )
        plan: Any = SimpleNamespace(seeds=tuple(range(seeds)), dims=(8,), geometries=())
        settings: Any = SimpleNamespace(seed=0)
        frozen: Any = SimpleNamespace(model="m", hierarchy=SimpleNamespace(name="d", split="s"))
        return Study(plan, settings, frozen, {}, several, shared, 0)

    def head_of(cell, seed):
        (alone,) = cell.runs
        trained = SimpleNamespace(**vars(alone.trained) | {"recipe": SimpleNamespace(seed=seed)})
        return replace(alone, trained=trained)

    return made


@pytest.mark.parametrize(
    ("numbers", "sign"),
    [
        ({"in_cone_random": 0.95}, "crowded"),
        ({"aperture_root": 0.6}, "half-spaces"),
        ({"radius_spread": 1.05}, "equal"),
    ],
)
def test_collapse_is_counted_over_seeds(study, numbers, sign):
    lost = heads(head(), head(1, **numbers))
    ((shown, count),) = lost.collapse.items()
    assert (sign in shown, count) == (True, 1)
    assert "(1 of 2)" in lost.facts["collapse"]
    (caution,) = (
        each for each in study([contrast(0, 1, 2)], (FLAT_HEADS, lost), 2).board.cautions if each.kind == "collapse"
    )
    assert caution.subjects == ("lorentz:-1",)


def test_a_flat_cell_leads_by_no_curvature(study):
    bent = heads(head(bend=0.015), head(1, bend=0.01))
    assert bent.flat
    assert not heads(head(bend=0.015), head(bend=0.03)).flat
    assert not FLAT_HEADS.flat
    assert "curvature" not in FLAT_HEADS.facts

    def of_leads(difference, cells):
        cautions = study([contrast(difference, 0.1, 0.2)], cells, 2).board.cautions
        return [each.subjects for each in cautions if "its lead is not one of curvature" in each.message]

    assert of_leads(-0.5, (FLAT_HEADS, bent)) == [("lorentz:-1",)]
    assert of_leads(0.5, (FLAT_HEADS, bent)) == of_leads(-0.5, (FLAT_HEADS, CURVED_HEADS)) == []


def test_the_equator_and_the_edge_of_the_grid_are_facts():
    assert "reach" in heads(head(curvature=1.0, radius=1.6, bend=-0.3), geometry="sphere:1").facts
    assert "reach" not in heads(head(curvature=1.0, radius=1.5, bend=-0.3), geometry="sphere:1").facts
    assert "reach" not in heads(head(curvature=-1.0, radius=5.0)).facts
    assert "largest" in heads(tried=(0.01, 0.05, 0.1)).facts["learning rate"]
    assert "smallest" in heads(tried=(0.1, 0.5, 1.0)).facts["learning rate"]
    assert heads(tried=(0.01, 0.1, 1.0)).facts["learning rate"] == heads().facts["learning rate"] == "0.1"


def test_problems_are_facts_of_their_seed(study):
    broken = heads(head(), head(1, problem="the loss became NaN at step 7"))
    assert "the loss became NaN at step 7" in broken.facts["seed 1"]
    assert "training" in [each.kind for each in study([], (FLAT_HEADS, broken), 2).board.cautions]


def test_an_interval_that_excludes_0_alone_and_not_simultaneously_is_no_difference(study):
    assert contrast(0.02, 0.01, 0.03).winner is None
    assert contrast(0.02, 0.0, 0.0).winner is None
    said = study([contrast(0.02, 0.01, 0.03), contrast(0.01, 0.02, 0.06, "tau_d")]).conclusion
    assert said.headline.startswith("None of 2 differences")
    assert "euclidean minus lorentz:-1 in AUROC at dimension 8, is +0.0200" in said.remarks[0]


@pytest.mark.parametrize(("seeds", "few"), [(4, True), (5, False)])
def test_five_seeds_are_enough_to_conclude_that_there_is_no_difference(study, seeds, few):
    made = study([contrast(0.02, 0.01, 0.03)], seeds=seeds)
    assert ("few seeds" in [each.kind for each in made.board.cautions]) is few
    assert ("inconclusive" in made.conclusion.headline) is few
    decided = study([contrast(0.05, 0.01, 0.02)], seeds=seeds)
    assert "inconclusive" not in decided.conclusion.headline


def test_a_lead_across_learning_rates_is_not_put_down_to_geometry(study):
    cells = (replace(FLAT_HEADS, learning_rate=0.003), heads(rate=0.001))

    def rates(contrasts, cells=(FLAT_HEADS, CURVED_HEADS)):
        return [each.message for each in study(contrasts, cells).board.cautions if each.kind == "learning rates"]

    (message,) = rates([contrast(0.05, 0.01, 0.02)], cells)
    assert "euclidean (0.003), lorentz:-1 (0.001)" in message
    assert rates([contrast(0.05, 0.01, 0.02)]) == rates([contrast(0.05, 0.06, 0.07)], cells) == []
