"""The board of numbers, its records and exports."""

import csv
import io
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from hiergeo._core.errors import InputError
from hiergeo._core.records import (
    Figure,
    Grid,
    latex,
    number,
    percent,
    signed,
)
from hiergeo.evaluation.experiment import Board
from hiergeo.evaluation.result import COLUMNS
from tests.evaluation.experiment.experiment_common import changed, compared, hits, measured, result, run


def seeded() -> Board:
    generator = np.random.default_rng(0)
    made = []
    for geometry in ("euclidean", "lorentz:-1"):
        for seed in (0, 1):
            made.append(measured(geometry, generator.random(40), "precision", seed))
    return Board(tuple(made), "scenes test")


def values_of(board: Board) -> list[float]:
    return [each.result.metrics["precision"] for each in board.runs]


def test_runs_that_differ_in_their_seeds_alone_are_one_cell():
    board = seeded()
    assert list(board.cells) == [("euclidean", 8), ("lorentz:-1", 8)]
    assert (board.labels, board.dims, board.seeds) == (("euclidean", "lorentz:-1"), (8,), 2)
    one, two = values_of(board)[:2]
    score = board.score("precision", "euclidean", 8)
    assert (score.value, score.spread) == pytest.approx(((one + two) / 2, np.std([one, two], ddof=1)))
    assert score.seeds == (one, two)
    assert board.score("tau_d", "euclidean", 8) is None
    assert board.score("precision", "sphere:1", 8) is None


@pytest.mark.parametrize(("metric", "least"), [("recall", 0.0), ("tau_d_equal_length", -1.0)])
def test_seeds_that_are_right_on_every_item_may_err_on_others(metric, least):
    for missed in (0, 1):
        rows = np.r_[np.full(missed, least), np.ones(24 - missed)]
        seeds = [measured("euclidean", values, metric, seed) for seed, values in enumerate((rows, np.ones(24), rows))]
        low, high = Board(tuple(seeds)).score(metric, "euclidean", 8).interval
        certain = binomtest(24, 24).proportion_ci(method="exact").low
        assert (low - least) / (1 - least) <= certain + 1e-9
        assert high == 1


def test_a_board_refuses_nothing_and_twice_the_same():
    with pytest.raises(InputError, match="0 runs"):
        Board(())
    with pytest.raises(InputError, match="5 runs, 4 of them different"):
        Board((*seeded().runs, seeded().runs[0]))


def test_records_hold_every_seed_their_mean_baselines_and_differences():
    board = seeded()
    board = Board(tuple(changed(each, baselines={"precision": {"chance": 0.25}}) for each in board.runs), board.dataset)
    records = list(board.records())
    assert all(tuple(each) == COLUMNS for each in records)
    of = {kind: [each for each in records if each["kind"] == kind] for kind in ("measured", "mean", "baseline")}
    assert [(each["space"], each["seed"], each["value"]) for each in of["measured"]] == [
        (each.space, each.seed, each.result.metrics["precision"]) for each in board.runs
    ]
    score = board.score("precision", "lorentz:-1", 8)
    mean = of["mean"][1]
    assert (mean["value"], mean["deviation"], mean["n"]) == (score.value, score.spread, 40)
    assert (mean["low"], mean["high"]) == score.interval
    assert [(each["model"], each["value"]) for each in of["baseline"]] == [("chance", 0.25)]
    (difference,) = (each for each in records if each["kind"] == "difference")
    (contrast,) = board.contrasts
    assert (difference["space"], difference["than"]) == (contrast.a, contrast.b)
    assert (difference["value"], difference["low"], difference["high"]) == (
        contrast.difference,
        *contrast.simultaneous,
    )
    assert {each["dataset"] for each in records} == {"scenes test"}


def test_the_mean_leads_and_no_single_seed_does():
    base, better = hits(400, 120)
    runs = [
        measured(spec, rows, seed=seed) for spec, rows in (("euclidean", better), ("sphere:1", base)) for seed in (0, 1)
    ]
    rows = [(each["kind"], each["space"]) for each in Board(tuple(runs)).records() if each["best"]]
    assert rows == [("mean", "euclidean")]


def test_single_items_are_records_where_they_are_asked_for():
    base, better = hits(50, 10)
    board = compared({"euclidean": better, "lorentz:-1": base})
    items = [each for each in board.records(items=True) if each["item"] is not None]
    assert [each["value"] for each in items if each["space"] == "euclidean"] == better.tolist()
    assert [each["item"] for each in items if each["space"] == "lorentz:-1"] == list(range(50))
    assert [each for each in board.records(items=True) if each["item"] is None] == list(board.records())


def test_every_export_has_the_same_numbers():
    board = seeded()
    rows = list(csv.DictReader(io.StringIO(board.to_csv())))
    assert [float(row["value"]) for row in rows if row["kind"] == "measured"] == values_of(board)
    assert [row["seed"] for row in rows if row["kind"] == "measured"] == ["0", "1", "0", "1"]
    score = board.score("precision", "lorentz:-1", 8)
    assert f"| {score.value:.3f} ± {score.spread:.3f} |" in board.to_markdown()
    assert rf"${score.value:.3f} \pm {score.spread:.3f}$" in board.to_latex()
    assert f"{score.value:.3f} ± {score.spread:.3f}" in board._repr_html_()


def test_a_table_says_how_many_items_it_is_of_and_which_metrics_have_others():
    rows = np.ones(40)
    fields = {
        "draws": {name: np.ones(9) for name in ("tau_d", "recall", "precision")},
        "items": {"tau_d": 1000, "recall": 200, "precision": 150},
    }
    board = Board((run("euclidean", result(dict.fromkeys(fields["items"], 0.5), **fields)),), "scenes test")
    (grid,) = board.grids()
    assert "n = 1,000 rows, 200 images; 150 for precision" in grid.notes
    assert grid.corner == "metric"
    assert "40 images" in next(compared({"euclidean": rows, "lorentz:-1": rows}).grids()).notes


def test_what_rounds_to_zero_has_no_sign():
    values = (-0.00049, -0.0, 0.00049, -0.00051, 0.00051, math.nan)
    assert [number(each) for each in values] == ["0.000", "0.000", "0.000", "−0.001", "0.001", "nan"]
    assert [signed(each) for each in values] == ["0.000", "0.000", "0.000", "−0.001", "+0.001", "nan"]
    assert percent(-0.0004) == "0.0 %"


def test_latex_escapes_what_is_special_and_marks_the_best():
    base, better = hits(200, 40)
    found = compared({"a_b&c%": better, "euclidean": base})
    text = found.to_latex()
    assert r"a\_b\&c\%" in text
    assert rf"\mathbf{{{better.mean():.3f}}}" in text
    assert r"\begin{tabular}{lrrr}" in text
    assert text.count(r"\\") == 2
    alone = Board((run("euclidean", result({"tau_d": -1.0})),)).to_latex()
    assert r"$\tau_d$" in alone
    assert "-1.000" in alone


@pytest.mark.parametrize("begins", ["[", "*"])
def test_no_row_of_latex_begins_with_what_a_line_break_takes_as_its_argument(begins):
    text = latex(Grid("", ("a",), ((f"{begins}x", (Figure("1"),)),)))
    assert f"\n{{{begins}}}x & " in text


def test_the_interval_of_a_score_ends_where_its_metric_ends():
    """Two seeds far apart: no share is below 0, as correlations may be."""
    ends = [
        Board(tuple(measured("euclidean", np.full(40, value), metric, seed) for seed, value in enumerate((0.3, 0.9))))
        .score(metric, "euclidean", 8)
        .interval
        for metric in ("precision", "tau_d")
    ]
    assert [end.low for end in ends] == [0, -1]
    assert [end.high for end in ends] == [1, 1]


def test_labels_need_the_same_seeds():
    runs = seeded().runs
    with pytest.raises(InputError, match="same seeds"):
        Board(runs[:-1])


def test_a_metric_that_some_seed_lacks_has_no_score():
    first, *others = seeded().runs
    board = Board((first, *(changed(other, metrics={}, draws={}) for other in others)))
    assert board.score("precision", "euclidean", 8) is None
    assert not [row for row in board.records() if row["kind"] == "mean"]


def test_data_frames():
    pytest.importorskip("pandas")
    frame = seeded().to_pandas()
    assert tuple(frame.columns) == COLUMNS
    assert frame["value"][frame["kind"] == "measured"].tolist() == values_of(seeded())
    base, better = hits(200, 40)
    frame = compared({"euclidean": better, "lorentz:-1": base}).to_pandas()
    assert frame["best"][frame["kind"] == "measured"].tolist() == [True, False]
    assert frame["winner"][frame["kind"] == "difference"].tolist() == ["euclidean"]
