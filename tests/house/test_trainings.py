"""The study of trainings: its runs are what they say, resume, and are compared by statistics that hold their level."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import trainings
from benchmarks.trainings import BEFORE, SPACES, Case, Recipe, cases, known, plan
from benchmarks.trainings_summary import COMPARED, Arm, Block, blocks, compared, findings, spread, tables
from hiergeo.training.clip import ClipPlan

SCRATCH = Block("scratch", "growing")


def record(case: Case, level: dict[str, float]) -> dict[str, Any]:
    """A run whose compared metrics are given, 0.5 where they are not."""
    numbers = dict.fromkeys(COMPARED, 0.5) | {"tau_d": 0.7, "length_tau_d": 0.8, "bend_high": 0.5} | level
    looks = [] if case.space in BEFORE else [{"curvature": [-1.0]}]
    return {"case": vars(case), "numbers": numbers, "looks": looks, "answers": {"order": "forward"}}


def records(seeds: Iterable[int], random: np.random.Generator, shift: dict[Arm, float]) -> list[dict[str, Any]]:
    """Runs from scratch with effects of seeds and noise, and a shift of all compared metrics by arm."""
    made = []
    for seed in seeds:
        of_seed = random.normal(0, 0.1, len(COMPARED))
        for case in cases([seed]):
            if (case.start, case.captions) == SCRATCH:
                noise = of_seed + random.normal(0, 0.03, len(COMPARED)) + shift.get(Arm(case.space, case.entailment), 0)
                made.append(record(case, dict(zip(COMPARED, 0.5 + noise, strict=True))))
    return made


def test_every_run_has_a_plan_that_trainings_accept(tmp_path: Path):
    recipe = Recipe()
    every = list(cases(range(3)))
    assert len(set(every)) == len(every)
    assert [case.seed for case in every] == sorted(case.seed for case in every)  # a part of them has whole seeds
    for case in every:
        if case.space not in BEFORE:
            ClipPlan(**plan(case, recipe, tmp_path / "pairs.jsonl", tmp_path)).check()


def test_runs_of_a_seed_differ_in_space_and_losses_alone(tmp_path: Path):
    made = [
        plan(case, Recipe(), tmp_path / "pairs.jsonl", tmp_path)
        for case in cases([4])
        if (case.start, case.captions) == SCRATCH and case.space not in BEFORE
    ]
    own = {"space": "", "losses": {}, "min_radius": 0.1}
    assert len(made) == 2 * len(SPACES) - 2  # no cosine with entailment, wide cones with it alone
    assert all({**each, **own} == {**made[0], **own} for each in made)


def test_an_interrupted_study_goes_on_with_the_runs_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begun: list[Case] = []

    def run(case: Case, recipe: Recipe, folder: Path) -> dict[str, Any]:
        if len(begun) == 5:
            raise KeyboardInterrupt
        begun.append(case)
        return record(case, {}) | {"recipe": vars(recipe), "processor_s": {"all": 1.0}}

    monkeypatch.setattr(trainings, "run", run)
    words = ["--out", str(tmp_path), "--seeds", "2", "--steps", "3"]
    with pytest.raises(KeyboardInterrupt):
        trainings.main(words)
    first, begun[:] = list(begun), []
    with pytest.raises(KeyboardInterrupt):
        trainings.main(words)
    assert [*first, *begun] == list(cases(range(2)))[:10]
    assert [each["case"] for each in known(tmp_path / "runs.jsonl")] == [vars(case) for case in [*first, *begun]]
    assert all(json.loads(line) for line in (tmp_path / "runs.jsonl").read_text("utf-8").splitlines())


def test_runs_of_another_recipe_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    steps: list[int] = []

    def run(case: Case, recipe: Recipe, folder: Path) -> dict[str, Any]:
        steps.append(recipe.steps)
        return record(case, {}) | {"recipe": vars(recipe), "processor_s": {"all": 1.0}}

    monkeypatch.setattr(trainings, "run", run)
    for count in ("3", "4", "3"):
        trainings.main(["--out", str(tmp_path), "--seeds", "1", "--steps", count])
    assert steps == [3] * (len(steps) // 2) + [4] * (len(steps) // 2)


def test_a_seed_that_not_every_arm_has_is_left_out():
    found = blocks(records(range(3), np.random.default_rng(0), {})[:-1])
    assert all(list(seeds) == [0, 1] for seeds in found[SCRATCH].values())


def test_the_spread_is_the_residual_of_a_regression_on_arms_and_seeds():
    rows = np.random.default_rng(1).normal(size=(5, 3))
    design = np.array([[*np.eye(5)[a], *np.eye(3)[s]] for a in range(5) for s in range(3)])
    _, (residual,), rank, _ = np.linalg.lstsq(design[:, :-1], rows.ravel(), rcond=None)
    sd, freedom = spread(rows)
    assert freedom == rows.size - rank
    assert sd == pytest.approx(np.sqrt(2 * residual / freedom))


def test_the_spread_of_two_arms_is_that_of_their_differences():
    ours, theirs = rows = np.random.default_rng(2).normal(size=(2, 4))
    assert spread(rows) == (pytest.approx(np.std(ours - theirs, ddof=1)), 3)


def test_intervals_hold_over_the_whole_family():
    random, wrong = np.random.default_rng(3), 0
    for _ in range(200):
        (runs,) = blocks(records(range(3), random, {})).values()
        wrong += any(each.standing != "level" for found in compared(runs).values() for each in found)
    assert wrong <= 18  # of 200 at a level of 5 %: more come once in 400 times


def test_a_difference_that_is_there_is_found_and_told():
    shifted = Arm("K = -4")
    (runs,) = blocks(records(range(3), np.random.default_rng(4), {shifted: -0.4})).values()
    found = compared(runs)
    for question in ("distances against cosines", "spaces against Euclidean"):
        assert {each.arm for each in found[question] if each.standing == "lower"} == {shifted}
    assert {each.standing for each in found["entailment 0.2 against none"] if each.arm.space == "K = -4"} == {"higher"}
    told = next(line for line in findings(runs) if line.startswith("spaces against Euclidean, order at equal length"))
    assert "lower: K = -4" in told
    assert "no difference shown in 4 others" in told


def test_words_of_answers_are_counted_over_trained_models():
    made = records(range(2), np.random.default_rng(6), {})
    made[-1]["answers"] = {"order": "unclear"}
    (runs,) = blocks(made).values()
    trained = sum(len(seeds) for arm, seeds in runs.items() if arm.space in SPACES)
    assert f"order, of {trained} trained models: {trained - 1} forward and 1 unclear." in findings(runs)


def test_what_is_flat_is_told_by_the_bend_of_every_seed():
    made = records(range(2), np.random.default_rng(5), {})
    for each in made:
        each["numbers"]["bend_high"] = 0.01 if each["case"]["space"] == "K = -0.1" else 0.3
    made[-1]["numbers"]["bend_high"] = 0.01  # of one seed alone
    (runs,) = blocks(made).values()
    told = next(each for each in findings(runs) if each.startswith("flat"))
    assert told.endswith(": K = -0.1 and K = -0.1, entailment 0.2.")
    assert all(text.count("\n") > len(runs) for text in tables(runs))
