"""Rates of chains, worked out by hand; images are what intervals are over."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiergeo._core.errors import InputError
from hiergeo.construction.grading import judged_rates, quality
from hiergeo.construction.judges import JUDGES
from tests.construction.construction_common import CONTRADICTS, ENTAILS, TableJudge, chains_of

DOG = "animal => brown dog => a brown dog runs on grass"
CAT = "animal => cat => a cat on a chair"
SEAT = "furniture => chair => a Red chair."

TWO_ANSWERS = {
    ("brown dog", "animal"): ENTAILS,
    ("a brown dog runs on grass", "brown dog"): ENTAILS,
    ("cat", "animal"): ENTAILS,
    ("animal", "food"): CONTRADICTS,
    ("brown dog", "cat"): CONTRADICTS,
    ("cat", "brown dog"): ENTAILS,
}


def shares(metrics):
    return [value for name, value in metrics.items() if not re.fullmatch(r"words(_negative)?(_tier\d)?", name)]


@pytest.fixture
def measured():
    chains = chains_of(
        (DOG, "food => cat => a brown dog runs on grass", 7),
        (CAT, "food => brown dog => a cat on a table", 7),
        (SEAT, None, 8),
    )
    return quality(chains, judge=TableJudge(TWO_ANSWERS))


def test_rates_that_a_judge_gives(measured):
    # forward: dog 2 of 2, cat 1 of 2, seat 0 of 2; negatives: 2 x "food" and the cat against the brown dog of six
    wanted = {
        "forward_entailed": 3 / 6,
        "forward_entailed_tier0": 2 / 3,
        "forward_entailed_tier1": 1 / 3,
        "forward_neutral": 3 / 6,
        "forward_contradicted": 0,
        "chain_entailed": 1 / 3,
        "negative_contradicted": 3 / 6,
        "negative_contradicted_tier0": 1,
        "negative_contradicted_tier1": 1 / 2,
        "negative_contradicted_tier2": 0,
        "negative_entailed_tier1": 1 / 2,
        "negative_neutral": 2 / 6,
    }
    assert {name: measured.metrics[name] for name in wanted} == pytest.approx(wanted)


def test_rates_of_texts_alone(measured):
    wanted = {
        "words_grow": 1 / 3,  # animal, cat and furniture, chair have one word each
        "words_tier2": (6 + 5 + 3) / 3,
        "words_negative_tier1": (1 + 2) / 2,
        "texts_distinct_tier0": 2 / 3,
        "texts_shared_tier0": 0,  # both animals are of one image
        "texts_repeated": 0,
        "negative_equal": 1 / 6,
        "negative_equal_tier2": 1 / 2,
        "head_noun": 1,
    }
    assert {name: measured.metrics[name] for name in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("negative", "judge", "left_out"),
    [
        (None, None, {"forward_entailed", "negative_contradicted", "words_negative"}),
        (None, TableJudge({}), {"negative_contradicted", "words_negative"}),
        (CAT, None, {"forward_entailed", "negative_contradicted"}),
        (CAT, TableJudge({}), set()),
    ],
)
def test_metrics_that_were_not_measured_are_left_out_with_a_reason(negative, judge, left_out):
    measured = quality(chains_of((DOG, negative, 1)), judge=judge)
    assert set(measured.left_out) == left_out
    assert not left_out & measured.metrics.keys()
    assert {"words", "texts_repeated", "head_noun"} <= measured.metrics.keys()
    assert ("judge" in measured.left_out.get("negative_contradicted", "")) == (judge is None and negative is not None)


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_pairs_are_judged_in_parts(monkeypatch, at_once):
    chains, judge = chains_of((DOG, CAT, 1), (CAT, DOG, 2)), TableJudge(TWO_ANSWERS)
    whole = judged_rates(chains, judge)
    monkeypatch.setattr("hiergeo.construction.grading.PAIRS_AT_ONCE", at_once)
    sizes, ask = [], judge.probabilities
    monkeypatch.setattr(judge, "probabilities", lambda pairs: sizes.append(len(pairs)) or ask(pairs))
    parts = judged_rates(chains, judge)
    assert max(sizes) == at_once
    for name, ratio in whole.items():
        assert np.array_equal(ratio, parts[name]), name


WORDS = st.lists(st.sampled_from(["animal", "dog", "red", "a", "runs", "cats"]), min_size=1, max_size=4).map(" ".join)
CHAINS = st.lists(WORDS, min_size=3, max_size=3).map(" => ".join)
ROWS = st.lists(st.tuples(CHAINS, st.none() | CHAINS, st.none() | st.integers(1, 4)), min_size=1, max_size=8)


@settings(max_examples=40)
@given(ROWS, st.randoms(use_true_random=False))
def test_rates_are_shares_and_rows_come_in_any_order(rows, random):
    judge = TableJudge(TWO_ANSWERS)
    first = quality(chains_of(*rows), judge=judge)
    assert all(0 <= value <= 1 for value in shares(first.metrics))
    forward = [first.metrics[f"forward_{answer}"] for answer in ("entailed", "neutral", "contradicted")]
    assert sum(forward) == pytest.approx(1)
    for name, (low, high) in first.intervals.items():
        assert low <= first.metrics[name] + 1e-12, name
        assert high >= first.metrics[name] - 1e-12, name
    random.shuffle(rows)
    again = quality(chains_of(*rows), judge=judge)
    assert again.metrics == pytest.approx(first.metrics)
    assert {name: tuple(each) for name, each in again.intervals.items()} == {
        name: pytest.approx(tuple(each)) for name, each in first.intervals.items()
    }


def test_the_table_has_every_number(measured):
    rows = {row["metric"]: row for row in measured.records.rows}
    told = {name: row["value"] for name, row in rows.items() if row["value"] is not None}
    told |= {f"{name}_tier{n}": row[f"tier{n}"] for name, row in rows.items() for n in range(3) if row[f"tier{n}"]}
    assert told == {name: value for name, value in measured.metrics.items() if value or "_tier" not in name}
    assert (rows["words_grow"]["low"], rows["words_grow"]["high"]) == measured.intervals["words_grow"]


def test_the_verb_writes_what_python_gives(run, monkeypatch, tmp_path):
    judge = TableJudge(TWO_ANSWERS)
    monkeypatch.setitem(JUDGES.own, "table", lambda rest: judge)
    path, told = tmp_path / "own.csv", tmp_path / "q.json"
    path.write_text("positive,negative,image_url\na => a cat => a black cat,b => a dog => a dog,\n")
    code, printed, _ = run("chains", "quality", path, "--judge", "table", "--json", told)
    assert (code, judge.closed) == (0, True)
    assert "negative_contradicted" in printed
    held = json.loads(told.read_text())
    assert held["metrics"]["words_tier2"] == 3
    assert held["settings"]["judge"] == "table"
    assert run("chains", "quality", path, "--json", told)[0] == 0
    assert json.loads(told.read_text())["settings"]["judge"] is None


@pytest.mark.parametrize("wrong", [["nowhere"], ["chains:"], ["scenes", "--judge", "ruls"], ["scenes", "--kept", "x"]])
def test_bad_input_is_refused(run, wrong):
    assert run("chains", "quality", *wrong)[0] == 2


def test_an_unknown_judge_is_refused():
    with pytest.raises(InputError):
        quality(chains_of((DOG, None, 1)), judge="ruels")
