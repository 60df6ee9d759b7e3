"""The report of a study: it stands alone, escapes what captions bring, and draws what was measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiergeo._core.records import number
from hiergeo.evaluation.metrics import find_metric
from hiergeo.report import tables, write_page
from hiergeo.training.study import Study
from hiergeo.training.study.result import NO_HEAD
from tests.report.page_common import Page, read, scripts
from tests.report.scenes_common import HOSTILE, scenes_study


@pytest.fixture(scope="module")
def study() -> Study:
    return scenes_study()


def test_no_column_of_the_heads_is_lost_on_a_narrow_terminal(study):
    for width in (60, 80):
        printed = list(tables(study, width))
        heads = [str(column.header) for table in printed for column in table.columns]
        assert set(list(study.grids())[-1].heads) <= set(heads)
        assert not any("Reached by :" in str(table.caption) for table in printed)


def test_a_dimension_without_a_head_has_no_table(study):
    (dim,) = study.plan.dims
    wider = replace(study, plan=replace(study.plan, dims=(2 * dim, dim)))
    assert len(list(wider.grids())) == len(list(study.grids()))


def test_metrics_of_pairs_are_of_the_chains_that_were_set_aside(study):
    of = {row["metric"]: row["dataset"] for row in study.records() if row["kind"] in ("measured", "mean")}
    assert of["auroc"] == "scenes train, set aside"
    assert of["recall"] == "scenes test"
    grid, *_ = study.grids()
    assert "On chains of scenes train that were set aside: AUROC" in grid.notes


@pytest.fixture(scope="module")
def path(study, tmp_path_factory) -> Path:
    return write_page(study, tmp_path_factory.mktemp("study") / "study.html", images=60)


@pytest.fixture(scope="module")
def page(path) -> Page:
    return read(path)


def test_captions_are_escaped_and_the_policy_runs_two_scripts_alone(page, path):
    assert HOSTILE in page.text
    assert len(scripts(path)) == len(page.having("script")) == 2


@pytest.mark.slow
def test_tables_show_means_over_seeds_beside_the_model_without_a_head(study):
    grid, heads = study.grids()
    rows = dict(grid.rows)
    assert grid.heads[:3] == (NO_HEAD, "euclidean", "lorentz:-1")
    for metric in ("tau_d", "precision", "auroc", "similarity_change"):
        before, *figures = rows[find_metric(metric).label]
        frozen = sorted(study.before[cell.geometry].metrics[metric] for cell in study.cells if before.value)
        assert before.value.split(" to ") == (list(dict.fromkeys(map(number, frozen))) or [""])
        assert bool(before.value) == (metric in study.before["euclidean"].metrics)
        for cell, figure in zip(study.cells, figures, strict=False):
            seeds = [run.result.metrics[metric] for run in cell.runs]
            assert (figure.value, figure.detail) == (number(np.mean(seeds)), f"± {number(np.std(seeds, ddof=1))}")
    facts = dict(heads.rows)
    for cell in study.cells:
        shown = facts[f"{cell.geometry}, {cell.dim} dimensions"]
        named = zip(heads.heads, shown, strict=True)
        assert {name: figure.value for name, figure in named if figure.value} == cell.facts


def test_changes_are_paired_with_the_frozen_model(study):
    dim = study.cells[0].dim
    assert all(study.change(name, "euclidean", dim) for name in ("tau_d", "image_to_text_r1", "text_to_image_r10"))
    for cell in study.cells:
        still = replace(
            study,
            before={cell.geometry: _as_before(cell)},
            cells=(replace(cell, runs=(cell.runs[0], _of_seed(cell.runs[0], 9))),),
        )
        change = still.change("tau_d", cell.geometry, dim)
        assert change.before == pytest.approx(change.after)
        assert change.interval == (0, 0)
        assert change.direction == "same"


def _of_seed(run, seed):
    return replace(run, trained=replace(run.trained, recipe=replace(run.trained.recipe, seed=seed)))


def _as_before(cell):
    run = cell.runs[0]
    return run.result
