"""The report of a study: it stands alone, escapes what captions bring, and draws what was measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hiergeo import adapters, datasets
from hiergeo._core.records import number
from hiergeo.evaluation.embedded import embed
from hiergeo.evaluation.metrics import Interval, find_metric
from hiergeo.geometry import Space
from hiergeo.report import disk, tables, write_page
from hiergeo.report.shown import representative, shown, validation_loss
from hiergeo.training import HeadModel, from_hierarchy
from hiergeo.training.chains import split_groups
from hiergeo.training.study import Study
from hiergeo.training.study.result import NO_HEAD
from tests.evaluation.experiment.experiment_common import contrasted
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
    return write_page(study, tmp_path_factory.mktemp("study") / "study.html", images=3, seed=1)


@pytest.fixture(scope="module")
def page(path) -> Page:
    return read(path)


def test_page_needs_nothing_from_outside(page, path):
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object"}
    sources = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert [each for each in sources if not each.startswith(("data:", "#"))] == ["https://arxiv.org/abs/2407.08521"]
    assert path.stat().st_size < 1_000_000


def test_captions_are_escaped_and_the_policy_runs_two_scripts_alone(page, path):
    assert HOSTILE in page.text
    assert len(scripts(path)) == len(page.having("script")) == 3


@pytest.mark.slow
def test_leakage_is_stamped_above_everything(study, tmp_path):
    leaked = replace(study, leakage="12 rows <describe> test images.")
    text = write_page(leaked, tmp_path / "page.html", images=1).read_text(encoding="utf-8")
    assert text.index("Trained on test data") < text.index("<h1>")
    assert "12 rows &lt;describe&gt; test images." in text


def test_every_figure_of_the_table_is_there(study, page):
    board = study.board
    (dim,) = board.dims
    metrics = board.metrics(dim)
    assert {"tau_d", "precision", "recall", "auroc", "image_to_text_r1"} <= set(metrics)
    for metric in metrics:
        low, high = board.span(metric, dim)
        for geometry in board.geometries(dim):
            score = board.score(metric, geometry, dim)
            assert score.value == pytest.approx(np.mean(score.seeds))
            assert low <= score.interval.low <= score.interval.high <= high
            assert f"{score.value:.3f}".replace("-", "−") in page.text
    assert len([item for item in page.having("span") if item.get("class") == "forest"]) == len(study.board.contrasts)


def test_stars_are_the_winners_of_the_study(study, tmp_path):
    clear = Interval(0.1, 0.2)
    contrasts = tuple(
        replace(each, simultaneous=clear, difference=0.15, test=None, adjusted_p=None) for each in study.board.contrasts
    )
    won = _with(study, contrasts)
    first, second = won.cells
    contested = {each.metric for each in study.board.contrasts}
    assert contested
    for metric in contested:
        assert won.board.leaders(metric, first.dim) == (first.geometry,)
        assert not won.board.is_best(metric, second.geometry, second.dim)
    page = read(write_page(won, tmp_path / "page.html", images=1))
    assert len([cell for cell in page.having("td") if cell.get("class") == "best"]) == len(contested)


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


def _with(study, contrasts):
    """The study with contrasts made up by hand."""
    other = replace(study)
    other.__dict__["board"] = contrasted(study.board, contrasts)
    return other


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


def test_the_middle_head_stands_for_its_seeds(study):
    cell = study.cells[0]
    by_loss = sorted(cell.runs, key=validation_loss)
    assert representative(cell) is by_loss[0]
    assert representative(replace(cell, runs=(by_loss[1], *by_loss, by_loss[1]))) is by_loss[1]


def test_heads_embed_the_test_data_as_their_model_does(study):
    head = shown(study)[1]
    model = HeadModel(adapters.load("tiny"), head.run.trained.head)
    again = embed(model, study.frozen.hierarchy)
    assert head.embedded.text.numpy() == pytest.approx(again.text.numpy(), abs=1e-6)
    assert head.embedded.root.numpy() == pytest.approx(again.root.numpy(), abs=1e-6)
    measured = head.run.summary.after.diagnostics["curvature"]
    assert float(head.space.geometry.curvature.detach()) == pytest.approx(measured)


@pytest.mark.slow
def test_roc_curves_are_those_of_sklearn(study):
    chains = from_hierarchy(datasets.load("scenes", "train").take(120), adapters.load("tiny"))
    _, rows = split_groups(chains, study.plan.set_aside, min(study.plan.seeds))
    aside, run = chains.take(rows), study.cells[1].runs[0]
    model = HeadModel(adapters.load("tiny"), run.trained.head)
    space = Space(run.trained.geometry, model.through(chains.root[None])[0])
    positive, negative = (
        model.through(aside.text[each].flatten(0, 1)).view(*each.shape, -1) for each in (aside.positive, aside.negative)
    )
    scores = [
        space.margin(positive[:, :-1].flatten(0, 1), other.flatten(0, 1)).detach().double().numpy()
        for other in (positive[:, 1:], negative[:, :-1])
    ]
    truth = np.r_[np.ones(scores[0].size), np.zeros(scores[1].size)]
    assert run.result.metrics["auroc_margin"] == pytest.approx(roc_auc_score(truth, np.concatenate(scores)), abs=2e-3)
    assert scores[0].size == study.pairs


def test_disk_keeps_radii_and_agrees_with_the_chart_of_the_ball(study):
    import geoopt
    import torch

    head = shown(study)[1]
    (view,) = disk.views({"lorentz": (head.embedded, head.space)}, disk.drawn_rows(study.frozen, 0))
    assert view.chart == "poincare"
    curvature = float(head.space.geometry.curvature.detach())
    ball = geoopt.PoincareBall(c=-curvature)
    for point in view.points[::7]:
        position = torch.tensor([point.x, point.y], dtype=torch.float64) / disk.RIM / view.magnified
        assert float(ball.dist0(position / (-curvature) ** 0.5)) == pytest.approx(point.radius, rel=1e-5)
    captions = [point for point in view.points if point.kind != disk.IMAGE]
    radii = head.run.summary.after.radii.ravel()
    assert [point.radius for point in captions] == pytest.approx(radii, rel=1e-5)
    assert max(np.hypot(point.x, point.y) for point in view.points) < disk.RIM


def test_page_draws_every_chain_of_the_disk(study, page):
    marks = [mark for mark in page.having("use") if "data-chain" in mark]
    assert len(marks) == 3 * 5 * 60
    assert {int(mark["data-chain"]) for mark in marks} == set(range(60))
