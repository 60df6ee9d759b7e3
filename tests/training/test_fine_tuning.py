"""Fine-tuning a text tower: the losses of the paper, taken step by step, and what the folder says."""

import json

import numpy as np
import pytest
import torch

from hiergeo import Lorentz, adapters
from hiergeo.evaluation.metrics import tau_d
from hiergeo.losses import re_loss
from hiergeo.training import TowerRecipe
from hiergeo.training.chains import from_hierarchy, split_groups
from hiergeo.training.checkpoints import load, path_of
from tests.training.tower_common import SHORT, curve, scenes, tuned, weights


def test_the_first_losses_are_those_of_the_frozen_embeddings(tmp_path):
    """Before the first step the tower is the model, so the losses of its batch can be had without any tower."""
    tuned(tmp_path / "a", steps=1)
    model, data = adapters.load("tiny"), scenes()
    rows, _ = split_groups(from_hierarchy(data, model), 0.2, 0)
    batch = [data.rows[row] for row in TowerRecipe(**SHORT).batches(rows, 1)[0].tolist()]
    positive, negative = (
        torch.stack([model.encode_text(list(getattr(row, side) or ())) for row in batch])
        for side in ("positive", "negative")
    )
    expected = re_loss(positive, negative, model.root(), (positive, negative))
    first = {name: values[0] for name, values in curve(tmp_path / "a").items()}
    for name in ("mean", "hard", "total"):
        assert first[name] == pytest.approx(float(getattr(expected, name)), abs=1e-5)
    assert first["prior"] == pytest.approx(0, abs=1e-6)
    assert first["tau_d"] == pytest.approx(tau_d((positive - model.root()).norm(dim=-1).numpy()))


@pytest.mark.slow
def test_training_lowers_the_loss_and_the_folder_says_what_was_done(tmp_path):
    out = tmp_path / "a"
    trained = tuned(out, steps=10, every=5)
    assert [look.step for look in trained.history] == [0, 5, 10]
    assert trained.history[-1].validation["total"] < trained.history[0].validation["total"] - 0.01
    config = json.loads((out / "config.json").read_text())
    assert config["losses"] == {"prior": 10.0, "mean": 1.0, "hard": 1.0}
    assert (config["base"], config["root"], config["geometry"]) == ("tiny", "", "euclidean")
    assert config["activations"] == ["GELU", "ReLU"]
    assert json.loads((out / "model" / "hiergeo.json").read_text()) == config
    assert len(curve(out)["total"]) == 10
    after = adapters.load(trained.spec)
    assert (after.encode_text(["an animal"]) - adapters.load("tiny").encode_text(["an animal"])).abs().max() > 1e-3


def test_accumulated_batches_make_the_gradient_of_one(tmp_path):
    """The mean of the losses of two halves is that of the whole; batch-hard mining alone is not."""
    for name, batch, accumulate in (("one", 8, 1), ("two", 4, 2)):
        tuned(tmp_path / name, losses={"prior": 5, "mean": 1}, batch=batch, accumulate=accumulate, steps=1)
    assert curve(tmp_path / "one")["total"] == pytest.approx(curve(tmp_path / "two")["total"], abs=1e-6)
    one, two = (load(path_of(tmp_path / name / "checkpoints", 1)).tensors for name in ("one", "two"))
    moments = [name for name in one if name.startswith("exp_avg/")]
    assert moments
    for name in moments:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_bfloat16_trains_nearly_alike_and_validates_in_float32(tmp_path):
    whole, half = tuned(tmp_path / "a", steps=4), tuned(tmp_path / "b", steps=4, amp="bf16")
    means = [curve(tmp_path / name)["mean"] for name in "ab"]
    np.testing.assert_allclose(*means, atol=0.05)
    assert means[0] != means[1]
    assert half.history[0].validation == whole.history[0].validation


@pytest.mark.slow
def test_low_rank_adapters_are_merged_into_the_export(tmp_path):
    trained = tuned(tmp_path / "a", lora=4, learning_rate=3e-3)
    assert not [name for name in weights(tmp_path / "a") if "lora" in name]
    looks = trained.history
    assert looks[-1].validation["total"] < looks[0].validation["total"]
    model = adapters.load(trained.spec)
    data = scenes()
    _, rows = split_groups(from_hierarchy(data, model), 0.2, 0)
    radii = [(model.encode_text(list(data.rows[row].positive)) - model.root()).norm(dim=-1) for row in rows.tolist()]
    best = next(look for look in looks if look.step == trained.best)
    assert best.radius == pytest.approx(torch.stack(radii).mean(0).tolist(), abs=1e-5)


def test_a_learnable_curvature_is_learnt_along(tmp_path):
    geometry = Lorentz(-1.0, learnable=True)
    trained = tuned(tmp_path / "a", geometry=geometry, learning_rate=0.01, steps=4)
    assert trained.history[0].curvature == pytest.approx((-1.0,))
    assert abs(trained.history[-1].curvature[0] + 1) > 1e-3
    assert float(geometry.curvature.detach()) == -1.0, "the caller's geometry must stay as it is"
    best = next(look for look in trained.history if look.step == trained.best)
    assert float(trained.geometry.curvature.detach()) == pytest.approx(best.curvature[0])


def test_patience_stops_early_and_keeps_the_best(tmp_path):
    trained = tuned(tmp_path / "a", learning_rate=0.001, steps=40, every=1, patience=2)
    last, best = trained.history[-1], min(trained.history, key=lambda look: look.validation["total"])
    assert 0 < best.step == last.step - 2 < 38
    assert trained.best == best.step


def test_divergence_keeps_the_last_good_tower_and_names_the_batch(tmp_path):
    trained = tuned(tmp_path / "a", losses={"mean": 1.0}, learning_rate=1e30)
    assert "became NaN or infinite at step 2, with the batch of rows " in str(trained.diverged)
    assert trained.best == 0
    same = adapters.load(trained.spec).encode_text(["an animal"]) - adapters.load("tiny").encode_text(["an animal"])
    assert same.abs().max() < 1e-6


def test_batches_visit_every_training_row_once_an_epoch_and_no_other():
    recipe = TowerRecipe(batch=4, accumulate=2)
    rows = torch.arange(100, 117)
    assert recipe.budget(len(rows)) == 2
    first, second = (torch.cat([recipe.batches(rows, step).flatten() for step in pair]) for pair in ((1, 2), (3, 4)))
    assert len(set(first.tolist())) == len(set(second.tolist())) == 16
    assert set(first.tolist()) | set(second.tolist()) <= set(rows.tolist())
    assert first.tolist() != second.tolist()
