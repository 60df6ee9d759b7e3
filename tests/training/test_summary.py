"""Before and after: paired over the same rows, images and captions."""

import numpy as np
import pytest
import torch

from hiergeo import Euclidean, Space, adapters, datasets
from hiergeo._core.errors import InputError
from hiergeo.evaluation import embed, retrieve
from hiergeo.evaluation.metrics import Interval, tau_d_rows
from hiergeo.training import HeadModel, from_file, summarise, train_head
from hiergeo.training.summary import Change, Summary
from tests.training.training_common import FAST, ITEMS, chains, hierarchy, stored


@pytest.fixture
def base(tmp_path):
    return stored(tmp_path / "base.npz")


@pytest.fixture(scope="module")
def trained():
    return train_head(chains(), Euclidean(), FAST)


def test_before_and_after(base, trained):
    unseen = np.arange(ITEMS) < 20
    summary = summarise(HeadModel(base, trained.head), hierarchy(), Space(Euclidean()), unseen=unseen, samples=50)
    change = summary.changes["tau_d"]
    assert change.after > change.before + 0.3
    assert change.difference.low < change.after - change.before < change.difference.high
    assert change.difference.low > 0
    assert summary.changes["tau_d_unseen"].after == pytest.approx(tau_d_rows(summary.after.radii[:20]).mean())
    assert summary.changes["image_to_text_r1"].before == 1
    flat = summary.metrics()
    assert flat["tau_d"] == change.after
    assert flat["tau_d_before"] == change.before
    assert 0 < flat["similarity_change"] < 2
    assert summary.intervals()["tau_d"] == [change.difference.low, change.difference.high]


def test_a_head_that_does_nothing_changes_nothing(base):
    from hiergeo.adapters.head import HeadShape
    from hiergeo.training import Head

    same = HeadModel(base, Head(HeadShape(12, 12)))
    summary = summarise(same, hierarchy(), Space(Euclidean()), samples=20)
    assert summary.changes["tau_d"].difference == (0, 0)
    assert summary.drift == pytest.approx({"similarity_change": 0, "similarity_correlation": 1}, abs=1e-6)


def test_retrieval_is_by_distance_among_the_held_out_alone(base):
    embedded = embed(base, hierarchy())
    match = retrieve(embedded, Space(Euclidean()), held_out=[3, 4, 5])
    texts = [embedded.texts.index(hierarchy().rows[row].positive[-1]) for row in (3, 4, 5)]
    distance = torch.cdist(embedded.image[[3, 4, 5]].double(), embedded.text[texts].double())
    assert match.image_to_text.tolist() == (distance < distance.diagonal()[:, None]).sum(1).tolist()
    order = sorted(range(3), key=lambda place: texts[place])
    assert match.text_to_image.tolist() == (distance < distance.diagonal()[None]).sum(0)[order].tolist()
    with pytest.raises(InputError, match="none of the held-out images"):
        retrieve(embed(base, hierarchy()), Space(Euclidean()), held_out=[9999])


@pytest.mark.slow
def test_a_few_steps_on_real_embeddings_sharpen_the_hierarchy(data_home):
    """A short run on the real split: tau_d 0.718 -> above 0.85 and retrieval within 3 points."""
    import dataclasses

    from hiergeo.training import Recipe, held_out_of

    folder = data_home / "embeddings"
    data = from_file(folder / "hierarcaps_train_split_minilm.npz")
    assert len(data) == 18770
    recipe = dataclasses.replace(Recipe(), hidden=0, steps=30, every=30, batch=64, learning_rate=3e-3, validation=0.02)
    head = train_head(data, Euclidean(), recipe).head
    file = folder / "hierarcaps_minilm_lit.npz"
    model, test = HeadModel(adapters.load(f"npz:{file}"), head), datasets.load("hierarcaps", "test")
    changes = summarise(model, test, Space(Euclidean()), held_out=held_out_of(model.base), samples=100).changes
    assert changes["tau_d"].before == pytest.approx(0.718333, abs=1e-6)
    assert changes["image_to_text_r1"].before == pytest.approx(0.400)
    assert changes["text_to_image_r1"].before == pytest.approx(0.405)
    assert changes["tau_d"].after > 0.85
    assert changes["tau_d"].difference.low > 0.1
    assert changes["image_to_text_r1"].after >= 0.37


def test_a_headline_says_what_fell_with_the_order():
    def change(before, after, high):
        return Change(before, after, Interval(high - 0.2, high))

    changes = {"tau_d": change(0.5, 0.9, 0.5), "recall": change(0.44, 0.04, -0.3), "precision": change(0.2, 0.1, 0.01)}
    said = Summary(None, None, changes | {"image_to_text_r10": change(0.9, 0.1, -0.5)}, {}).headline
    assert "0.50 to 0.90" in said
    assert "recall from 0.44 to 0.04" in said
    assert "precision" not in said
    assert "0.10" not in said
    assert "fell" not in Summary(None, None, {"tau_d": changes["tau_d"]}, {}).headline
