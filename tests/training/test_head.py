"""Training a head: it learns, twice the same, and breaks off in good order."""

import dataclasses

import pytest
import torch

from hiergeo import Euclidean, Lorentz, Product, Sphere
from hiergeo._core.errors import InputError
from hiergeo.training import LOSSES, RE, Recipe, parse_losses, train_head
from hiergeo.training.chains import chunks, split_groups
from tests.training.training_common import FAST, ITEMS, chains


def with_losses(**weights: float):
    return dataclasses.replace(FAST, losses=weights)


@pytest.mark.parametrize("geometry", [Euclidean(), Lorentz(-0.5), Product([(Lorentz(-1), 6), (Euclidean(), 6)])])
def test_tau_d_rises_on_rows_that_were_not_trained_on(geometry):
    trained = train_head(chains(), geometry, FAST)
    first, last = trained.history[0], trained.history[-1]
    assert first.step == 0
    assert last.step == FAST.steps
    assert last.tau_d > first.tau_d + 0.3
    assert last.radius[0] < last.radius[-1]
    assert trained.diverged is None


@pytest.mark.slow
def test_two_runs_are_equal_to_the_bit_and_another_seed_is_not():
    one, same, other = (train_head(chains(), Lorentz(-1), dataclasses.replace(FAST, seed=s)) for s in (1, 1, 2))
    assert one.history == same.history
    for a, b in zip(one.head.parameters(), same.head.parameters(), strict=True):
        assert torch.equal(a, b)
    assert one.history != other.history


def test_validation_shares_no_image_with_training():
    data = chains()
    training, validation = split_groups(data, 0.2, seed=0)
    assert sorted([*training.tolist(), *validation.tolist()]) == list(range(ITEMS))
    assert set(data.group[training].tolist()).isdisjoint(data.group[validation].tolist())
    assert len(data.group[validation].unique()) == 6


def test_validation_rows_have_no_gradient_into_the_head():
    data = chains()
    _, validation = split_groups(data, FAST.validation, FAST.seed)
    elsewhere = data.text.clone()
    for rows in (data.positive[validation], data.negative[validation]):
        elsewhere[rows.flatten()] = elsewhere[rows.flatten()].roll(1, -1)
    moved = train_head(dataclasses.replace(data, text=elsewhere), Euclidean(), dataclasses.replace(FAST, steps=20))
    plain = train_head(data, Euclidean(), dataclasses.replace(FAST, steps=20))
    assert moved.history[-1].training == plain.history[-1].training
    assert moved.history[-1].validation != plain.history[-1].validation


def test_a_learnable_curvature_is_learnt_and_the_callers_is_not_touched():
    geometry = Product([(Lorentz(-1, learnable=True), 6), (Sphere(0.1, learnable=True), 6)])
    trained = train_head(chains(), geometry, with_losses(entailment=1.0, order=1.0))
    start, end = trained.history[0].curvature, trained.history[-1].curvature
    assert start == pytest.approx((-1, 0.1))
    assert end[0] != start[0]
    assert [part.value for part, _ in geometry.factors] == pytest.approx([-1, 0.1])


@pytest.mark.parametrize("name", LOSSES.own)
def test_every_loss_falls_on_its_own(name):
    trained = train_head(chains(), Lorentz(-1), with_losses(**{name: 1.0}))
    if name == "prior":
        assert trained.best == 0
        assert trained.history[-1].validation["prior"] == pytest.approx(0, abs=1e-3)
    else:
        assert trained.history[-1].validation[name] < trained.history[0].validation[name]


def test_terms_add_up_to_the_total():
    look = train_head(chains(), Euclidean(), with_losses(**RE, order=2.0)).history[-1]
    for losses in (look.training, look.validation):
        weighted = sum(weight * losses[name] for name, weight in (RE | {"order": 2.0}).items())
        assert losses["total"] == pytest.approx(weighted, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [3e-4, 0.3])
def test_training_goes_on_while_validation_improves_and_keeps_the_best_weights(rate):
    """Of slow and of fast heads alike, within the budget of the recipe."""
    recipe = dataclasses.replace(FAST, hidden=0, steps=Recipe().steps, patience=3, learning_rate=rate)
    trained = train_head(chains(), Euclidean(), recipe)
    totals = {look.step: look.validation["total"] for look in trained.history}
    assert trained.best == min(totals, key=totals.__getitem__)
    assert trained.history[-1].step == trained.best + recipe.patience * recipe.every
    assert (trained.best > 400) == (rate < 0.01)
    again = train_head(chains(), Euclidean(), dataclasses.replace(recipe, steps=trained.best, patience=None))
    for kept, weight in zip(trained.head.parameters(), again.head.parameters(), strict=True):
        assert torch.equal(kept, weight)


def test_divergence_keeps_the_last_good_head_and_names_the_batch():
    recipe = dataclasses.replace(FAST, unit=False, learning_rate=1e30, losses={"order": 1.0}, every=1)
    trained = train_head(chains(), Euclidean(), recipe)
    assert trained.diverged is not None
    assert "at step" in trained.diverged
    assert "with the batch of rows" in trained.diverged
    assert all(bool(weight.isfinite().all()) for weight in trained.head.parameters())
    assert trained.best == 0
    assert len(trained.history) == 2


def test_a_sphere_that_points_leave_is_a_divergence_too():
    recipe = dataclasses.replace(FAST, unit=False, learning_rate=3.0, losses={"order": 1.0})
    trained = train_head(chains(), Sphere(0.25), recipe)
    assert "beyond the antipode" in trained.diverged


def test_a_space_that_does_not_hold_the_data_is_no_divergence():
    with pytest.raises(InputError, match="beyond the antipode"):
        train_head(chains(), Sphere(9), FAST)


def test_a_head_into_fewer_dimensions_has_free_norms():
    recipe = dataclasses.replace(FAST, unit=False, outputs=3, losses={"mean": 1.0, "order": 1.0})
    trained = train_head(chains(), Lorentz(-1), recipe)
    out = trained.head(chains().text)
    assert out.shape[1] == 3
    assert out.norm(dim=1).std() > 0.01
    assert trained.history[-1].tau_d > trained.history[0].tau_d + 0.3


def test_losses_are_read_from_words():
    assert parse_losses(["order=0.5", "mean"]) == {"order": 0.5, "mean": 1.0}
    assert parse_losses(["re=2", "order"]) == {"prior": 20.0, "mean": 2.0, "hard": 2.0, "order": 1.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"losses": {}}, "no loss to minimise"),
        ({"losses": {"ordr": 1.0}}, "did you mean 'order'"),
        ({"losses": {"order": -1.0}}, "must be a number > 0"),
        ({"steps": 0}, "steps"),
        ({"steps": None}, "steps"),
        ({"batch": None}, "batch"),
        ({"every": None}, "every"),
        ({"learning_rate": 0.0}, "learning rate"),
        ({"seed": -1}, "seed"),
        ({"outputs": 3}, "without it"),
        ({"validation": 1.0}, "between 0 and 1"),
    ],
)
def test_refusals(change, said):
    with pytest.raises(InputError, match=said):
        train_head(chains(), Euclidean(), dataclasses.replace(FAST, **change))


@pytest.mark.parametrize(
    ("words", "said"), [(["order=x"], "not a number"), (["re", "hard=1"], "'hard' is named twice")]
)
def test_refused_words(words, said):
    with pytest.raises(InputError, match=said):
        parse_losses(words)


def test_a_single_image_leaves_nothing_to_validate_on():
    data = dataclasses.replace(chains(), group=torch.zeros(ITEMS, dtype=torch.int64))
    with pytest.raises(InputError, match="a single image"):
        train_head(data, Euclidean(), FAST)


def test_a_row_that_is_left_over_joins_the_batch_before_it():
    parts = chunks(torch.arange(9), 4)
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3], [4, 5, 6, 7, 8]]
    assert [len(part) for part in chunks(torch.arange(10), 4)] == [4, 4, 2]
    assert [len(part) for part in chunks(torch.arange(1), 4)] == [1]


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("return batch.positive.norm(dim=-1)", "one number"),
        ("return torch.tensor(float(batch.positive.detach().sum()))", "no gradient"),
        ("return batch.positives.sum()", "positives"),
        ("return (batch.positive * 0).sum().sqrt()", "not finite"),
        ("return batch.positive.square().mean()", None),
    ],
)
def test_a_loss_of_ones_own_is_tried_before_anything_is_embedded(run, tmp_path, monkeypatch, code, named):
    (tmp_path / "own.py").write_text(f"import torch\n\ndef loss(batch):\n    {code}\n")
    words = ("train", "head", "-m", "tiny", "-d", "scenes", "--rows", "20", "--loss", f"{tmp_path / 'own.py'}:loss")
    if named is not None:
        monkeypatch.setattr("hiergeo.training.from_hierarchy", None)
    answer, _, said = run(*words, "--set", "steps=2", "--out", tmp_path / "head")
    assert (answer, named is None or named in said) == (2 if named else 0, True), said
