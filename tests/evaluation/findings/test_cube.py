"""The cube of numbers and its exports."""

import csv
import io
import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.evaluation.findings import (
    Cube,
    Entry,
)
from hiergeo._core.records import Figure, Grid, latex, number, percent, signed
from tests.evaluation.findings.findings_common import compared, hits, measured, trained


def seeded() -> Cube:
    generator = np.random.default_rng(0)
    made = []
    for geometry in ("euclidean", "lorentz:-1"):
        for seed in (0, 1):
            made.append(measured(geometry, generator.random(40), "precision", seed))
    return Cube(tuple(made))


def test_the_cube_has_five_axes():
    cube = seeded()
    assert (cube.models, cube.geometries, cube.dims, cube.seeds, cube.metrics) == (
        ("model",),
        ("euclidean", "lorentz:-1"),
        (8,),
        (0, 1),
        ("precision",),
    )
    array = cube.array()
    assert array.shape == (1, 2, 1, 2, 1)
    assert array[0, 1, 0, 0, 0] == cube.entries[2].metrics["precision"]
    score = cube.score("precision", "euclidean", 8)
    assert (score.value, score.spread) == pytest.approx((array[0, 0].mean(), array[0, 0].std(ddof=1)))
    part = Cube((*cube.select(geometry="euclidean", seed=0).entries, replace(cube.entries[3], metrics={"tau_d": 1.0})))
    assert np.isnan(part.array()).sum() == 6
    assert part.score("tau_d", "euclidean", 8) is None


def test_scores_are_of_the_model_asked_for():
    made = tuple(Entry(model, "euclidean", 8, None, {"recall": value}) for model, value in (("one", 0.2), ("two", 0.7)))
    assert [Cube(made).score("recall", "euclidean", 8, model).value for model in (None, "one", "two")] == [
        0.2,
        0.2,
        0.7,
    ]


def test_the_interval_of_a_score_is_over_the_seeds_too():
    """Two seeds far apart, each without any spread over items: their mean is as uncertain as a mean of two."""
    seeds = [
        Entry("m", "euclidean", 8, seed, {"recall": v}, {"recall": np.full(400, v)}) for seed, v in ((0, 0), (1, 1))
    ]
    assert Cube(tuple(seeds)).score("recall", "euclidean", 8).interval == (0, 1)


@pytest.mark.parametrize(("metric", "least"), [("recall", 0.0), ("tau_d_equal_length", -1.0)])
def test_seeds_that_are_right_on_every_item_may_err_on_others(metric, least):
    for missed in (0, 1):
        rows = np.r_[np.full(missed, least), np.ones(24 - missed)]
        seeds = [measured("euclidean", values, metric, seed) for seed, values in enumerate((rows, np.ones(24), rows))]
        low, high = Cube(tuple(seeds)).score(metric, "euclidean", 8).interval
        certain = binomtest(24, 24).proportion_ci(method="exact").low
        assert (low - least) / (1 - least) <= certain + 1e-9
        assert high == 1


def test_a_cube_refuses_nothing_and_twice_the_same():
    with pytest.raises(InputError, match="0 entries"):
        Cube(())
    with pytest.raises(InputError, match="5 entries, 4 of them different"):
        Cube((*seeded().entries, seeded().entries[0]))


def test_every_export_has_the_same_numbers():
    cube = seeded()
    values = [each.metrics["precision"] for each in cube.entries]
    rows = list(csv.DictReader(io.StringIO(cube.to_csv())))
    assert [float(row["value"]) for row in rows] == values
    assert [row["seed"] for row in rows] == ["0", "1", "0", "1"]
    whole = json.loads(cube.to_json())
    assert [row["value"] for row in whole["records"]] == values
    assert whole["axes"]["geometry"] == ["euclidean", "lorentz:-1"]
    score = cube.score("precision", "lorentz:-1", 8)
    assert f"| {score.value:.3f} ± {score.spread:.3f} |" in cube.to_markdown()
    assert rf"${score.value:.3f} \pm {score.spread:.3f}$" in cube.to_latex()


def test_what_rounds_to_zero_has_no_sign():
    values = (-0.00049, -0.0, 0.00049, -0.00051, 0.00051, math.nan)
    assert [number(each) for each in values] == ["0.000", "0.000", "0.000", "−0.001", "0.001", "nan"]
    assert [signed(each) for each in values] == ["0.000", "0.000", "0.000", "−0.001", "+0.001", "nan"]
    assert percent(-0.0004) == "0.0 %"


def test_nan_is_null_in_json():
    entry = Entry("m", "euclidean", 2, None, {"similarity_correlation": float("nan")})
    assert json.loads(Cube((entry,)).to_json())["records"][0]["value"] is None


def test_latex_escapes_what_is_special_and_marks_the_best():
    base, better = hits(200, 40)
    found = compared({"a_b&c%": better, "euclidean": base})
    text = found.to_latex()
    assert r"a\_b\&c\%" in text
    assert rf"\mathbf{{{better.mean():.3f}}}" in text
    assert text.startswith(r"\begin{tabular}{lrr}")
    assert text.count(r"\\") == 2
    assert r"$\tau_d$" in Cube((Entry("m", "euclidean", 2, None, {"tau_d": -1.0}),)).to_latex()
    assert "-1.000" in Cube((Entry("m", "euclidean", 2, None, {"tau_d": -1.0}),)).to_latex()


def test_latex_knows_words_from_numbers():
    figures = tuple(Figure(value) for value in ("7", "", "not measured yet"))
    line = latex(Grid("", ("a", "b", "c"), (("precision", figures),))).splitlines()[4]
    assert [cell.strip() for cell in line.removesuffix(r"\\").split("&")][1:] == ["$7$", "--", "not measured yet"]


def test_pandas_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UnavailableError, match="pandas"):
        seeded().to_pandas()


def test_data_frames():
    pytest.importorskip("pandas")
    frame = seeded().to_pandas()
    assert list(frame.columns) == ["model", "geometry", "dim", "seed", "metric", "value", "low", "high"]
    assert frame["value"].tolist() == [each.metrics["precision"] for each in seeded().entries]
    base, better = hits(200, 40)
    assert compared({"euclidean": better, "lorentz:-1": base}).to_pandas()["best"].tolist() == [1, 0]


def test_shares_end_at_one_however_much_seeds_differ():
    score = trained({"euclidean": [1.0, 0.9, 0.95]}).score("recall", "euclidean", 8)
    assert score.interval.high == 1
    assert score.interval.low < 0.95
