"""Judgements against definitions by hand, and the verb ``hiergeo tree``."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest, spearmanr

from hiergeo._core.errors import InputError
from hiergeo.datasets.wordnet import WordNet
from hiergeo.search import taxonomy as package
from hiergeo.search.taxonomy import Truth, judge, truth_of_synsets, wordnet_truth
from hiergeo.search.taxonomy.judging import random_parents
from tests.search.taxonomy.taxonomy_common import index_of, taxonomy_of

WORDS = WordNet(
    {
        "entity.n.01": (),
        "animal.n.01": ("entity.n.01",),
        "dog.n.01": ("animal.n.01", "entity.n.01"),
        "hot_dog.n.01": ("entity.n.01",),
        "puppy.n.01": ("dog.n.01",),
    },
    {},
)
NAMES = ["entity", "An animal", "something else", "a dog", "The hot  dog.", "puppy", "a puppy"]
PARENTS = [[], [0], [1], [2], [3, 1], [3, 4], [5]]


def test_what_wordnet_knows_of_captions():
    truth = wordnet_truth(taxonomy_of(PARENTS, NAMES), WORDS)
    assert truth.items.tolist() == [0, 1, 3, 4, 5]
    assert truth.depth.tolist() == [0, 1, 2, 1, 3]
    pairs = {(1, 0), (3, 1), (3, 0), (4, 0), (5, 3), (5, 1), (5, 0)}
    assert set(map(tuple, truth.pairs.tolist())) == pairs
    some = truth_of_synsets([4, 2, 0], ["puppy.n.01", "unknown.n.01", "dog.n.01"], WORDS)
    assert (some.items.tolist(), some.pairs.tolist()) == ([0, 4], [[4, 0]])


def test_scores_are_those_of_the_definitions():
    taxonomy = taxonomy_of(PARENTS, NAMES)
    truth = wordnet_truth(taxonomy, WORDS)
    found = judge(taxonomy, truth)
    # candidates in order: animal -> entity; dog -> something else; hot dog -> dog, animal; puppy -> dog, hot dog
    assert found.scores["first"] == pytest.approx(2 / 4)
    assert found.scores["within_2"] == pytest.approx(2 / 4)
    # reduced: hot dog -> dog alone; puppy -> hot dog alone, which leads to dog
    assert found.scores["parent"] == pytest.approx(1 / 4)
    assert found.scores["edge_precision"] == pytest.approx(1 / 3)
    above = {1: {0}, 3: {1, 0}, 4: {3, 1, 0}, 5: {4, 3, 1, 0}}
    true = {1: {0}, 3: {1, 0}, 4: {0}, 5: {3, 1, 0}}
    both = sum(len(above[i] & true[i]) for i in above)
    assert found.scores["precision"] == pytest.approx(both / 10)
    assert found.scores["recall"] == pytest.approx(both / 7)
    assert found.scores["f1"] == pytest.approx(2 * both / 17)
    assert found.scores["depth"] == pytest.approx(spearmanr([0, 1, 3, 4, 5], truth.depth).statistic)
    assert found.counts == {"items": 5, "children": 4, "pairs": 7}
    assert all(found.intervals[name].low <= value + 1e-9 for name, value in found.scores.items() if name != "depth")


def test_scores_of_all_or_none_are_uncertain():
    """Of a chain that is turned round nothing is true, and of the chain itself everything."""
    parents = [[i - 1] if i else [] for i in range(9)]
    pairs = np.array([(i, above) for i in range(9) for above in range(i)])
    for truth, value in ((pairs, 1.0), (pairs[:, ::-1], 0.0)):
        found = judge(taxonomy_of(parents), Truth(np.arange(9), truth, np.arange(9)))
        low = 0.025 ** (65 / 81)  # of nine items eight share ancestors: as precise as 81 / 65 that do not
        assert found.intervals["precision"] == pytest.approx((low, 1) if value else (0, 1 - low))
        assert found.scores["first"] == found.scores["precision"] == value
        assert found.intervals["recall"].high - found.intervals["recall"].low > 0.3


def test_items_without_a_common_ancestor_are_independent():
    """Sixty pairs, of which every fifth is missed; where they have an ancestor in common they tell less."""
    child = np.arange(1, 120, 2)
    pairs = np.stack([child, child - 1], axis=1)
    parents = [[i - 1] if i % 2 and i % 10 != 1 else [] for i in range(120)]
    found = judge(taxonomy_of(parents), Truth(np.arange(120), pairs, np.arange(120) % 2))
    exact = binomtest(48, 60).proportion_ci(method="exact")
    assert found.intervals["parent"] == pytest.approx((exact.low, exact.high), abs=0.01)
    shared = np.concatenate([pairs, np.stack([child[10:40], np.zeros(30, int)], axis=1)])
    wider = judge(taxonomy_of(parents), Truth(np.arange(120), shared, np.arange(120) % 2)).intervals["parent"]
    assert wider.low < exact.low - 0.02


def test_random_parents_have_smaller_radii_and_the_same_number():
    radius = np.array([0.0, 1, 1, 2, 3], np.float32)
    table = np.array([[-1, -1], [0, -1], [0, -1], [2, 1], [3, 0]])
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        drawn = random_parents(table, radius, generator)
        assert ((drawn >= 0) == (table >= 0)).all()
        assert (radius[drawn[1:, 0]] < radius[1:]).all()
        seen |= {int(drawn[4, 0])}
    assert seen == {0, 1, 2, 3}


def test_nothing_to_judge_is_refused():
    with pytest.raises(InputError, match="nothing to judge"):
        judge(taxonomy_of([[], [0]], ["x y z", "q"]), wordnet_truth(taxonomy_of([[], [0]], ["x y z", "q"]), WORDS))


@pytest.fixture
def folder(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    index_of(tmp_path / "index", x, captions=[f"caption \u202e{i}" for i in range(40)])
    return tmp_path / "index"


@pytest.mark.parametrize("form", package.FORMATS)
def test_the_verb_writes_every_format(run, folder, tmp_path, form):
    out, told = tmp_path / "tree", tmp_path / "told.json"
    code, printed, _ = run(
        "tree", folder, "--format", form, "-o", out, "-k", 4, "--min-confidence", 0, "--json", told, "-g", "lorentz:-1"
    )
    assert code == 0
    assert out.stat().st_size > 1000
    held = json.loads(told.read_text())
    assert (held["taxonomy"]["items"], held["taxonomy"]["geometry"]) == (40, "lorentz:-1")
    assert f"{held['taxonomy']['edges']:,} edges" in printed
    assert run("tree", folder, "-o", out)[0] == 2
    code, printed, _ = run("tree", folder, "--format", form, "-k", 4, "--min-confidence", 0, "-g", "lorentz:-1")
    assert (code, printed) == (0, out.read_text())


def test_the_verb_shows_the_largest_branches(run, folder):
    code, printed, _ = run("tree", folder, "--min-confidence", 0)
    assert code == 0
    assert "\u202e" not in printed.replace("\u2068", "").split("caption")[0]
    assert "40 items" in printed


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--by", "angel"], "angle"),
        (["--format", "xml"], "json"),
        (["--against", "wordnets"], "wordnet"),
        (["-g", "hyperbolic"], "hyperbolic"),
        (["-k", 0], "-k"),
        (["--min-confidence", 2], "--min-confidence"),
        (["--out", "/dev/null/file"], "/dev/null"),
    ],
)
def test_the_verb_refuses_what_it_does_not_know(run, folder, options, named):
    code, printed, error = run("tree", folder, *options)
    assert (code, printed) == (2, "")
    assert named in error


def test_the_verb_compares_with_the_bundled_nouns_in_an_empty_data_home(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path / "empty"))
    names = ["entity", "an animal", "a dog", "a puppy", "a cat", "a bird"]
    index_of(tmp_path / "index", np.diag(np.arange(1.0, 7.0)).astype(np.float32), captions=names)
    told = tmp_path / "told.json"
    code, printed, _ = run("tree", tmp_path / "index", "--against", "wordnet", "--json", told)
    assert code == 0
    assert "bundled" in printed
    judged = json.loads(told.read_text())["wordnet"]
    assert judged["items"] == len(names)
    assert judged["wordnet"] == "bundled, 75,831 edges"


@pytest.mark.slow
def test_real_names_of_lvis_stand_below_true_ancestors(data_home, run, tmp_path):
    from hiergeo import adapters, search
    from hiergeo.datasets.lvis import load_lvis
    from hiergeo.datasets.wordnet import load_wordnet

    lvis = load_lvis()
    index = search.build(tmp_path / "lvis", adapters.load("lvis:clip"), captions=[f"a {word}" for word in lvis.words])
    found = package.grow(index, package.TreeSettings(k=10))
    truth = truth_of_synsets(np.argsort(found.ids).tolist(), lvis.synsets, load_wordnet())
    judged = judge(found, truth)
    assert judged.counts["pairs"] == len(lvis.pairs)
    assert judged.scores["first"] == pytest.approx(0.515, abs=0.01)
    assert judged.scores["within_10"] == pytest.approx(0.739, abs=0.01)
    assert judged.random["first"] < 0.02
    assert all(math.isfinite(value) for value in judged.scores.values())
    code, printed, _ = run("tree", tmp_path / "lvis", "--against", "wordnet")
    assert code == 0
    assert "best parents are true ancestors" in printed
