"""The protocols against the authors' own numbers, hand-worked cases and brute force."""

import json
import math

import numpy as np
import pytest
import torch

import hiergeo
from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.datasets import Hierarchy, ImageRef, Row
from hiergeo.evaluation import View, measuring
from hiergeo.evaluation.embedded import embed
from hiergeo.evaluation.protocols import walk
from hiergeo.geometry.base import bend


class Table(Model):
    """A model that looks vectors up: captions by string, images by id."""

    name = "table"
    has_images = True
    preprocessing = "none"

    def __init__(self, texts: dict[str, list[float]], images: dict[int, list[float]]) -> None:
        self.texts, self.images = texts, images

    def fingerprint(self) -> str:
        return "table"

    def check_texts(self, texts):
        pass

    def check_images(self, images):
        pass

    def text_rows(self, texts):
        return torch.tensor([self.texts[text] for text in texts])

    def image_rows(self, images):
        return torch.tensor([self.images[image.image_id] for image in images])


def on_circle(*degrees: float) -> list[list[float]]:
    return [[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees]


@pytest.fixture
def fan():
    """A root at 0 degrees, chains at 10, 20, 30, 40 and at 12, 22, 32, 35; images at 45 and 36."""
    captions = ["a", "ab", "abc", "abcd", "x", "xy", "xyz", "xyzw"]
    texts = dict(zip(["", *captions], on_circle(0, 10, 20, 30, 40, 12, 22, 32, 35), strict=True))
    images = dict(zip([1, 2], on_circle(45, 36), strict=True))
    rows = (
        Row(0, tuple(captions[:4]), tuple(captions[4:]), image_id=1),
        Row(1, tuple(captions[4:]), tuple(captions[:4]), image_id=2),
    )
    refs = tuple(ImageRef(i, open=lambda: pytest.fail("opened")) for i in (1, 2))
    return Table(texts, images), Hierarchy("fan", "test", rows, refs)


def test_re_of_a_case_worked_by_hand(fan):
    """Radii grow with the angle, so the caption nearest to an image beyond them all is the farthest one admitted."""
    result = hiergeo.evaluate(*fan, steps=400)
    order = ("a", "x", "ab", "xy", "abc", "xyz", "xyzw")
    assert result.ladders == ((*order, "abcd"), order)
    precision = (4 / 8 + 4 / 7) / 2
    numbers = {"tau_d": 1, "tau_d_equal_length": 1, "precision": precision, "recall": 1, "tied_share": 0}
    assert result.metrics == numbers


@pytest.mark.parametrize("tiers", [2, 3, 6])
def test_hierarchies_have_any_number_of_tiers(tiers: int) -> None:
    """Chains along two rays of growing angle, of captions that no other chain has."""
    names = [[f"{side}{tier}" for tier in range(tiers)] for side in "ab"]
    angles = [[10 * (tier + 1) + 3 * side for tier in range(tiers)] for side in (0, 1)]
    texts = dict(zip(["", *names[0], *names[1]], on_circle(0, *angles[0], *angles[1]), strict=True))
    images = dict(zip([1, 2], on_circle(10 * tiers + 1, 10 * tiers + 4), strict=True))
    rows = tuple(Row(i, tuple(names[i]), tuple(names[1 - i]), image_id=i + 1) for i in (0, 1))
    refs = tuple(ImageRef(i, open=lambda: pytest.fail("opened")) for i in (1, 2))
    hierarchy = Hierarchy("rays", "test", rows, refs)
    assert hierarchy.tiers == tiers
    for protocol in ("re", "traversal", "pairs"):
        result = hiergeo.evaluate(Table(texts, images), hierarchy, "lorentz:-1", protocol, steps=200, samples=5)
        assert result.metrics["tau_d"] == 1
        assert result.radii.shape == (2, tiers)
        assert f"radius_mean_tier{tiers - 1}" in result.diagnostics
    assert hiergeo.evaluate(Table(texts, images), hierarchy, steps=200, samples=5).metrics["recall"] == 1


def test_ties_count_nothing(fan):
    model, hierarchy = fan
    model.texts["ab"] = model.texts["a"]
    result = hiergeo.evaluate(model, hierarchy)
    assert result.metrics["tau_d"] == pytest.approx((5 / 6 + 1) / 2)
    assert result.metrics["tied_share"] == pytest.approx(1 / 12)


def test_a_text_only_model_gives_tau_d_alone(fan):
    model, hierarchy = fan
    model.has_images = False
    assert set(hiergeo.evaluate(model, hierarchy).metrics) == {"tau_d", "tau_d_equal_length", "tied_share"}
    with pytest.raises(InputError, match="starts from images"):
        hiergeo.evaluate(model, hierarchy, protocol="traversal")


def test_the_walk_ends_one_step_before_the_root():
    """In curved space the points of the straight line to the root; in Euclidean space of norm 1."""
    root, start = torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [0.6, 0.8]])
    left = torch.tensor([1.0, 0.75, 0.5, 0.25])
    line = (root + left[:, None] * (start[:, None] - root)).flatten(0, 1)
    space = hiergeo.Space(hiergeo.Lorentz(-0.7), root)
    assert bool((space.distance(walk(start, space, 4), line) < 1e-6).all())
    flat = hiergeo.Space(hiergeo.Euclidean(), root)
    unit = torch.nn.functional.normalize(line, dim=1)
    assert bool((flat.distance(walk(start, flat, 4), unit) < 1e-6).all())


def test_traversal_reads_the_captions_from_general_to_specific(fan):
    """Image 1 starts at the caption at 40 degrees and image 2 at 35: each walk passes every smaller angle."""
    order = ("a", "x", "ab", "xy", "abc", "xyz", "xyzw")
    assert hiergeo.evaluate(*fan, protocol="traversal", steps=400, samples=5).ladders == ((*order, "abcd"), order)


def test_traversal_needs_a_root(fan):
    with pytest.raises(InputError, match="walks to the root"):
        hiergeo.evaluate(*fan, hiergeo.Space(hiergeo.Euclidean(), root=False), protocol="traversal")


def test_pairs_by_brute_force(fan):
    model, hierarchy = fan
    result = hiergeo.evaluate(model, hierarchy, "lorentz:-0.5", protocol="pairs")
    space = hiergeo.Space(hiergeo.Lorentz(-0.5), torch.tensor(model.texts[""]))

    def score(parent: str, child: str) -> float:
        return -float(space.exterior_angle(torch.tensor(model.texts[parent]), torch.tensor(model.texts[child])))

    positive = [score(r.positive[i], r.positive[i + 1]) for r in hierarchy.rows for i in range(3)]
    for kind, shift in (("", 0), ("_sibling", 1)):
        negative = [score(r.positive[i], r.negative[i + shift]) for r in hierarchy.rows for i in range(3)]
        wins = np.mean([(p > n) + (p == n) / 2 for p in positive for n in negative])
        assert result.metrics[f"auroc{kind}"] == pytest.approx(wins)


def test_pairs_need_negatives(fan):
    model, hierarchy = fan
    rows = tuple(Row(row.row_id, row.positive, image_id=row.image_id) for row in hierarchy.rows)
    with pytest.raises(InputError, match="expanded-test"):
        hiergeo.evaluate(model, Hierarchy("fan", "test", rows, hierarchy.images), protocol="pairs")


@pytest.mark.parametrize("single", [True, False])
def test_seed_resamples_and_steps_are_those_asked_for(fan, single):
    """Rows drawn anew from NumPy; a ladder of one step has the caption nearest to the root alone."""
    spaces = "euclidean" if single else ["euclidean"]
    measured = (hiergeo.evaluate if single else hiergeo.compare)(*fan, spaces, "re", 400, 3, samples=7)
    result = measured if single else measured.results[0]
    generator = np.random.default_rng(3)
    precision = np.array([4 / 8, 4 / 7])
    drawn = np.array([precision[generator.integers(2, size=2)].mean() for _ in range(7)]) - precision.mean()
    widened = result.draws["precision"] - precision.mean()
    moved = drawn != 0
    assert widened[~moved] == pytest.approx(0, abs=1e-12)
    assert widened[moved] / drawn[moved] == pytest.approx(np.full(moved.sum(), widened[moved][0] / drawn[moved][0]))
    assert widened[moved][0] / drawn[moved][0] >= 1
    measured = (hiergeo.evaluate if single else hiergeo.compare)(*fan, spaces, "re", 1, samples=2)
    assert (measured if single else measured.results[0]).ladders == (("a",), ("a",))


def test_embeddings_are_rounded_to_the_dtype_asked_for(fan):
    """1/3 has other digits in bfloat16: radii are those of the rounded embeddings around the rounded root."""
    model, hierarchy = fan
    rows = torch.tensor([[model.texts[text] for text in row.positive] for row in hierarchy.rows])
    rows, root = (t.to(torch.bfloat16).double() for t in (rows, torch.tensor(model.texts[""])))
    expected = (rows - root).norm(dim=-1).numpy()
    assert hiergeo.evaluate(model, hierarchy, samples=2, dtype="bfloat16").radii == pytest.approx(expected, rel=1e-6)
    (result,) = hiergeo.compare(model, hierarchy, ["euclidean"], samples=2, dtype="bfloat16").results
    assert result.radii == pytest.approx(expected, rel=1e-6)


def test_json_begins_with_flat_metrics(fan):
    written = json.loads(hiergeo.evaluate(*fan).to_json())
    assert next(iter(written)) == "metrics"
    assert all(isinstance(value, float | int) for value in written["metrics"].values())
    assert written["intervals"]["tau_d"] == pytest.approx([2 * 0.025**0.5 - 1, 1])
    assert written["settings"]["geometry"] == "euclidean"


@pytest.mark.parametrize("bad", [{"protocol": "er"}, {"steps": 0}, {"samples": 0}, {"seed": -1}, {"steps": 2.5}])
def test_bad_settings_are_refused_before_anything_is_loaded(bad):
    with pytest.raises(InputError, match=r"did you mean 're'|(steps|samples|seed) must be"):
        hiergeo.evaluate("npz:/nowhere", "hierarcaps", **bad)


def test_a_comparison_needs_different_geometries(fan):
    with pytest.raises(InputError, match="different geometries"):
        hiergeo.compare(*fan, ["euclidean", "euclidean"])


def test_two_charts_of_one_space_tie_and_the_rest_is_paired(fan):
    comparison = hiergeo.compare(*fan, ["lorentz:-1", "poincare:-1"])
    assert np.array_equal(*(result.draws["precision"] for result in comparison.results))
    assert set(comparison.winners) == {"precision", "recall"}
    assert all(winner is None for winner in comparison.winners.values())
    assert "lorentz:-1/tau_d" in json.loads(comparison.to_json())["metrics"]


def test_a_product_that_adds_lengths_shares_no_radii_however_small_they_are(fan, monkeypatch):
    model, hierarchy = fan
    monkeypatch.setattr(Table, "normalised", False, raising=False)
    root = np.array(model.texts[""])
    model.texts = {text: (1e-10 * (np.array(row) - root)).tolist() for text, row in model.texts.items()}
    comparison = hiergeo.compare(model, hierarchy, ["euclidean", "product:euclidean:x1,euclidean:x1,l1"], samples=2)
    assert comparison.shared == frozenset()
    assert [each.level for each in comparison.board.spaces] == [True, False]
    assert "tau_d" in hiergeo.compare(model, hierarchy, ["euclidean", "lorentz:-1"], samples=2).shared


@pytest.mark.parametrize("spec", ["lorentz:-1", "product:lorentz:-1x32,euclidean:x32"])
def test_radii_that_are_equal_up_to_rounding_order_nothing(spec):
    """Rows of norm one around the origin: their last digits differ."""
    space = hiergeo.Space(spec, False)
    result = hiergeo.evaluate("tiny", hiergeo.datasets.load("scenes", count=24), space, samples=5)
    assert (result.metrics["tau_d"], result.metrics["tied_share"]) == (0, 1)
    assert {name: answer.word for name, answer in result.answers.items() if name != "curvature"} == {
        "order": "inapplicable",
        "beyond_length": "inapplicable",
        "learned": "inapplicable",
    }
    assert "radii are equal" in result.conclusion.headline


@pytest.mark.slow
def test_a_single_row_decides_nothing(fan):
    model, hierarchy = fan
    specs = ["euclidean", "lorentz:-4", "sphere:0.25"]
    winners = hiergeo.compare(model, hierarchy.take(1), specs, protocol="pairs").winners
    assert all(winner is None for winner in winners.values())


def test_a_space_that_does_not_fit_is_refused_before_embedding(fan, monkeypatch):
    model, hierarchy = fan
    monkeypatch.setattr(Table, "image_rows", lambda *_: pytest.fail("embedded"))
    with pytest.raises(InputError, match="have 3 dimensions"):
        hiergeo.compare(model, hierarchy, ["euclidean", "product:lorentz:-1x3"])


def test_images_of_another_dimension_are_refused(fan):
    model, hierarchy = fan
    model.images = {i: [*row, 0.0] for i, row in model.images.items()}
    with pytest.raises(InputError, match="images in 3 dimensions and texts in 2"):
        hiergeo.evaluate(model, hierarchy)


def test_hierarchies_are_whole():
    with pytest.raises(InputError, match=r"row 0 .* tiers"):
        Hierarchy("h", "test", (Row(0, ("a",)),))
    with pytest.raises(InputError, match=r"row 5 .* 3 tiers"):
        Hierarchy("h", "test", (Row(4, ("a", "b", "c")), Row(5, ("a", "b", "c"), ("d", "e"))))
    with pytest.raises(InputError, match="image 7 of h belongs to no row"):
        Hierarchy("h", "test", (Row(0, ("a", "b", "c", "d"), image_id=1),), (ImageRef(7, open=lambda: None),))
    with pytest.raises(InputError, match="at least 1 row"):
        Hierarchy("h", "test", (Row(0, ("a", "b", "c", "d")),)).take(0)


def test_bend_is_the_growth_of_circles():
    assert bend(-4.0, 0.5) == pytest.approx(math.sinh(1) / 1 - 1)
    assert bend(0.25, 1.0) == pytest.approx(math.sin(0.5) / 0.5 - 1)
    assert bend(0.0, 3.0) == 0


def test_the_bend_of_a_product_is_that_of_the_factor_that_bends_most(fan):
    """The captions reach 1 - cos 40 along the first axis and sin 40 along the second."""
    result = hiergeo.evaluate(*fan, "product:lorentz:-0.01x1,sphere:4x1", samples=2)
    a = 2 * math.sin(math.radians(40))
    assert result.diagnostics["bend"] == pytest.approx(math.sin(a) / a - 1, rel=1e-5)


@pytest.mark.parametrize(("min_radius", "share"), [(0.08, 0), (0.1, 1 / 8), (0.2, 4 / 8), (1.0, 1)])
def test_the_share_of_captions_whose_cones_are_half_spaces(fan, min_radius, share):
    """Cones are half-spaces within twice the minimal radius; the captions lie at 2 sin(angle / 2)."""
    model, hierarchy = fan
    space = hiergeo.Space(hiergeo.Euclidean(), model.root(), min_radius=min_radius)
    assert measuring.diagnose(View(embed(model, hierarchy), space), 0)["aperture_root"] == share


# Figures of the authors' and of ProLIP's evaluation code on stored embeddings.


@pytest.fixture(scope="module")
def minilm(data_home):
    return hiergeo.adapters.load(f"npz:{data_home}/embeddings/hierarcaps_minilm_lit.npz")


@pytest.fixture(scope="module")
def hierarcaps(data_home):
    return hiergeo.datasets.load("hierarcaps")


@pytest.mark.parametrize(("steps", "precision", "recall"), [(50, 0.15884646, 0.40325), (10, 0.18900556, 0.32825)])
def test_re(minilm, hierarcaps, steps, precision, recall):
    metrics = hiergeo.evaluate(minilm, hierarcaps, steps=steps).metrics
    assert metrics["tau_d"] == pytest.approx(0.71833333, abs=1e-6)
    assert metrics["precision"] == pytest.approx(precision, abs=1e-6)
    assert metrics["recall"] == pytest.approx(recall, abs=1e-6)


@pytest.mark.slow
def test_traversal(minilm, hierarcaps):
    metrics = hiergeo.evaluate(minilm, hierarcaps, protocol="traversal").metrics
    assert metrics["precision"] == pytest.approx(0.26485, abs=1e-4)
    assert metrics["recall"] == pytest.approx(0.2195, abs=1e-4)
    assert metrics["any_hit"] == pytest.approx(0.691, abs=1e-4)


def test_radii_and_so_tau_d_are_the_same_in_every_geometry(minilm, hierarcaps):
    rows = hierarcaps.take(100)
    specs = ["euclidean", "lorentz:-1.3", "poincare:-0.5", "sphere:0.25", "product:lorentz:-2x192,euclidean:x192"]
    comparison = hiergeo.compare(minilm, rows, specs)
    for result in comparison.results:
        assert result.radii == pytest.approx(comparison.results[0].radii, abs=1e-6)


def test_radius_orders_the_is_a_pairs_of_clip(data_home):
    """Text embeddings of LVIS names by CLIP ViT-B/32, their plain mean as the root."""
    with np.load(data_home / "clip_lvis" / "lvis1203_clip_vitb32_text.npz") as file:
        text = next(torch.tensor(file[key]) for key in file.files if file[key].shape == (1203, 512))
        child, parent = torch.tensor(file["isa_pairs"]).T.long()
    text = torch.nn.functional.normalize(text.float(), dim=-1)
    space = hiergeo.Space(hiergeo.Euclidean(), text.mean(0))
    radius = space.radius(text)
    assert float((radius[parent] < radius[child]).double().mean()) == pytest.approx(0.865, abs=0.002)
