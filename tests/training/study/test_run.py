"""A whole small study: the same batches for everyone, rows that are kept apart, pairs of seeds, runs that go wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hiergeo.evaluation.metrics import crossed_draws, percentile_interval
from hiergeo.geometry import parse
from hiergeo.training import HeadModel, saving, trainer
from hiergeo.training.chains import split_groups
from hiergeo.training.study import StudySettings, run_study, running
from hiergeo.training.study.running import Bench
from tests.training.study.study_common import SMALL, plan, study
from tests.training.training_common import chains, hierarchy, stored


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return study(tmp_path_factory.mktemp("study"), learnable=True)


def cell(study, geometry):
    return next(cell for cell in study.cells if cell.geometry == geometry)


def test_contrasts_are_paired_by_seed_and_item(done):
    """From the runs alone, by hand."""
    contrast = next(
        each for each in done.board.contrasts if (each.metric, each.a, each.b) == ("auroc", "euclidean", "lorentz:-1")
    )
    pairs = list(zip(cell(done, "euclidean").runs, cell(done, "lorentz:-1").runs, strict=True))
    assert contrast.difference == pytest.approx(
        np.mean([a.result.metrics["auroc"] - b.result.metrics["auroc"] for a, b in pairs])
    )
    differences = [a.summary.after.draws["auroc"] - b.summary.after.draws["auroc"] for a, b in pairs]
    streams = (crossed_draws(differences, seed=(0, stream)) for stream in range(len(done.board.contrasts)))
    assert contrast.interval in map(percentile_interval, streams)
    assert contrast.simultaneous.low <= contrast.interval.low <= contrast.interval.high <= contrast.simultaneous.high


@pytest.mark.slow
def test_the_same_seed_sees_the_same_batches_in_every_geometry(tmp_path, monkeypatch):
    seen: dict[tuple[str, int], list[tuple[int, ...]]] = {}
    losses = trainer._Run.losses

    def recorded(self, rows):
        if torch.is_grad_enabled():
            key = self.geometry.spec.partition(":")[0], self.recipe.seed
            seen.setdefault(key, []).append(tuple(rows.tolist()))
        return losses(self, rows)

    monkeypatch.setattr(trainer._Run, "losses", recorded)
    study(tmp_path)
    for seed in (0, 1):
        batches = [seen[geometry, seed] for geometry in ("euclidean", "lorentz", "poincare", "product")]
        assert len(batches[0]) == SMALL.steps
        assert all(each == batches[0] for each in batches)
    assert seen["euclidean", 0] != seen["euclidean", 1]


@pytest.mark.slow
def test_heads_never_see_the_pairs_they_are_measured_on_and_tuning_never_the_test_rows(tmp_path, monkeypatch):
    trained_on, judged = [], []
    train, score = running.train_head, running.pairs_behind_head

    def recorded(data, geometry, recipe, **where):
        trained_on.append((recipe.seed, set(data.positive[:, 0].tolist())))
        return train(data, geometry, recipe, **where)

    def judge(data, model, space, *lengths):
        judged.append(set(data.positive[:, 0].tolist()))
        return score(data, model, space, *lengths)

    monkeypatch.setattr(running, "train_head", recorded)
    monkeypatch.setattr(running, "pairs_behind_head", judge)
    done = study(tmp_path, geometries=("euclidean", "lorentz:-1"), learning_rates=(0.001, 0.02))
    made = chains()
    _, aside = split_groups(made, 0.1, 0)
    measured = set(made.positive[aside, 0].tolist())
    assert measured
    assert all(rows.isdisjoint(measured) for _, rows in trained_on)
    assert sorted({seed for seed, _ in trained_on}) == [0, 1, 2]
    tuning = [rows for rows in judged if rows != measured]
    assert len(tuning) == 4
    assert len(judged) == 4 + len(done.cells) * 3
    assert all(rows < trained_on[0][1] for rows in tuning)
    for each in done.cells:
        assert set(each.tuning) == {0.001, 0.02}
        assert each.tuning[each.learning_rate] == max(each.tuning.values())


def test_losses_that_see_no_curvature_train_one_head_and_name_what_cannot_differ(tmp_path):
    done = study(tmp_path, geometries=("euclidean", "lorentz:-1"), recipe=replace(SMALL, losses={"order": 1.0}))
    flat, curved = (each.runs[0].trained.head.state_dict() for each in done.cells)
    assert all(torch.equal(flat[name], curved[name]) for name in flat)
    assert "tau_d" in done.board.shared
    assert not any(each.metric == "tau_d" for each in done.board.contrasts)
    assert "tau_d (equal length) cannot differ" in str(done.conclusion)


def test_a_rate_at_which_training_breaks_is_not_chosen(tmp_path):
    wild = replace(SMALL, losses={"order": 1.0}, unit=False, hidden=16, every=1)
    done = study(tmp_path, geometries=("euclidean", "lorentz:-1"), recipe=wild, learning_rates=(1e30, 0.02))
    assert {each.learning_rate for each in done.cells} == {0.02}
    assert np.isnan(done.cells[0].tuning[1e30])


def test_a_run_that_diverges_counts_with_its_last_good_state_and_is_named(tmp_path):
    wild = replace(SMALL, losses={"order": 1.0}, unit=False, hidden=16, every=1)
    done = study(tmp_path, geometries=("euclidean", "lorentz:-1"), recipe=wild, learning_rates=(1e30,))
    for each in done.cells:
        assert all("at step" in run.problem for run in each.runs)
        assert np.isfinite(list(each.metrics.values())).all()
    facts = done.cell("euclidean", 4).facts
    assert "with the batch of rows" in facts["seed 0"]
    assert "state of step 0" in facts["seed 1"]
    assert "Training failed for some seeds of euclidean at dimension 4" in str(done.conclusion)


def test_a_head_beyond_the_antipode_counts_as_untrained(tmp_path, done):
    model, made = stored(tmp_path / "base.npz"), chains()
    bench = Bench(model, done.frozen, made, running.ProtocolSettings("re", 10, 0, 20))
    sphere = parse("sphere:0.25")
    trained = trainer.train_head(made, sphere, replace(SMALL, unit=False, outputs=12, steps=1))
    before = bench.without_head("sphere:0.25")
    fine = bench.run(trained, before, sphere)
    assert fine.problem is None
    trained.head.linear.weight.data *= 100
    lost = bench.run(trained, before, sphere)
    assert "the untrained head was measured instead" in lost.problem
    assert lost.result.metrics["auroc"] == pytest.approx(before.metrics["auroc"], abs=1e-6)
    assert HeadModel(model, lost.trained.head).through(made.root[None])[0] == pytest.approx(made.root, abs=1e-6)


def test_json_has_the_means_over_seeds_first(done):
    whole = json.loads(done.to_json())
    assert next(iter(whole)) == "metrics"
    values = [run.result.metrics["recall"] for run in cell(done, "lorentz:-1").runs]
    assert whole["metrics"]["lorentz:-1/d4/recall"] == pytest.approx(sum(values) / 2)
    mean = {"kind": "mean", "space": "lorentz:-1", "dim": 4, "metric": "recall"}
    (row,) = (row for row in whole["numbers"] if mean.items() <= row.items())
    assert row["deviation"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert len(whole["intervals"]) == len(done.board.contrasts)
    assert whole["plan"]["recipe"]["losses"] == SMALL.losses
    assert whole["facts"]["euclidean/d4"] == done.cell("euclidean", 4).facts


def test_a_study_that_was_stopped_goes_on_to_the_same_result(tmp_path, monkeypatch):
    made = plan(geometries=("euclidean", "lorentz:-1"), learnable=True)
    model, settings = stored(tmp_path / "base.npz"), StudySettings(samples=20)
    whole = run_study(made, chains(), model, hierarchy(), settings)
    calls, train, out = [], saving.train_head, tmp_path / "kept"

    def stopped(*arguments, **where):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(*arguments, **where)

    monkeypatch.setattr(saving, "train_head", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_study(made, chains(), model, hierarchy(), settings, out=out)
    again = run_study(made, chains(), model, hierarchy(), settings, out=out)
    assert len(calls) == 5  # two kept, one lost, and the two that were left
    assert again.to_json() == whole.to_json()
    weights = next(out.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.warns(UserWarning, match="done again"):
        mended = run_study(made, chains(), model, hierarchy(), settings, out=out)
    assert (len(calls), mended.to_json()) == (6, whole.to_json())
    run_study(replace(made, seeds=(0, 1, 2)), chains(), model, hierarchy(), settings, out=out)
    assert len(calls) == 8


def test_a_training_of_other_chains_in_another_space_or_by_another_recipe_is_another(tmp_path):
    made, flat, recipe = chains(), parse("euclidean"), replace(SMALL, outputs=4, steps=2)
    others = (
        (replace(made, text=made.text.flip(0)), flat, recipe),
        (replace(made, group=made.group // 2), flat, recipe),
        (made, parse("lorentz:-1?learnable"), recipe),
        (made, flat, replace(recipe, seed=5)),
    )
    for count, arguments in enumerate(((made, flat, recipe), *others), start=1):
        first, again = (saving.trained_once(tmp_path, *arguments) for _ in range(2))
        assert len(list(tmp_path.glob("*.safetensors"))) == count
        assert first.history == again.history
        assert torch.equal(first.head.linear.weight, again.head.linear.weight)
        assert first.geometry.spec == again.geometry.spec
