"""WordNet is-a against sklearn and sets, the stored names of LVIS as a model, and the random ancestors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.datasets.lvis import load_lvis
from hiergeo.evaluation.benchmarks import benchmark_named, measure
from hiergeo.evaluation.benchmarks.words import Names, is_a, shuffled_ancestors, true_draws
from hiergeo.geometry import Space
from hiergeo.testing.protocol_suite import Hashed
from tests.evaluation.benchmarks.test_words import Words, exterior_angle


@pytest.fixture(scope="module")
def names():
    return benchmark_named("wordnet", data="demo").names


@pytest.fixture(scope="module")
def model(names):
    generator = np.random.default_rng(5)
    return Words({word: generator.normal(size=6).tolist() for word in names.words})


def test_every_metric_by_hand(model, names):
    result = measure(model, "wordnet", "euclidean", data="demo", prompt="{}", samples=20)
    vectors = np.array([model.vectors[word] for word in names.words])
    child, above = names.pairs.T
    radius = np.linalg.norm(vectors, axis=1)
    assert result.metrics["isa_radius"] == pytest.approx((radius[child] > radius[above]).mean(), abs=1e-12)
    forward, backward = (
        [-exterior_angle(vectors[kind], vectors[word]) for word, kind in zip(x, y, strict=True)]
        for x, y in ((child, above), (above, child))
    )
    truth = np.repeat([1, 0], len(child))
    assert result.metrics["isa_direction"] == pytest.approx(roc_auc_score(truth, forward + backward), abs=1e-9)
    other = shuffled_ancestors(names.pairs, 0)
    random = [-exterior_angle(vectors[kind], vectors[word]) for word, kind in zip(child, other, strict=True)]
    assert result.metrics["isa_auroc"] == pytest.approx(roc_auc_score(truth, forward + random), abs=1e-9)
    for k in (1, 5, 10):
        hits = {"margin": [], "distance": []}
        for name in np.unique(child):
            rest = [i for i in range(len(vectors)) if i != name]
            margin = [np.arcsin(min(1, 0.2 / radius[i])) - exterior_angle(vectors[i], vectors[name]) for i in rest]
            length = [-np.linalg.norm(vectors[i] - vectors[name]) for i in rest]
            true = set(above[child == name].tolist())
            for by, score in (("margin", margin), ("distance", length)):
                best = {rest[i] for i in np.argsort(-np.array(score), kind="stable")[:k]}
                hits[by].append(bool(best & true))
        assert result.metrics[f"isa_hits_r{k}"] == pytest.approx(np.mean(hits["margin"]))
        assert result.metrics[f"isa_hits_distance_r{k}"] == pytest.approx(np.mean(hits["distance"]))


def test_baselines_by_hand():
    names = Names(("a b", "cc", "ddd", "e"), np.array([[0, 1], [0, 3], [2, 3]]))
    scores = {"angle": np.zeros(3), "cosine": np.zeros(3), "radius": np.array([1.0, 0, -1])}
    outcome = is_a(names, scores, scores, scores, {"margin": np.array([0, 4])})
    assert outcome.statistics["isa_radius"].value == 0.5
    assert outcome.statistics["isa_radius_equal_words"].value == 0
    assert outcome.statistics["isa_auroc"].value == 0.5
    assert outcome.baselines["isa_radius"]["length"] == 1
    held = outcome.baselines["isa_hits_r1"]
    # 0 has two ancestors among three others, 2 has one; "e" is the shortest and the most frequent ancestor
    assert held == pytest.approx({"chance": (2 / 3 + 1 / 3) / 2, "length": 1, "frequent": 1})
    assert outcome.statistics["isa_hits_r1"].value == 0.5


def test_intervals_resample_children():
    names = Names(("a", "b", "c", "d"), np.array([[0, 1], [0, 2], [3, 2]]))
    scores = {"angle": np.zeros(3), "cosine": np.zeros(3), "radius": np.array([1.0, 1, -1])}
    statistic = is_a(names, scores, scores, scores, {}).statistics["isa_radius"]
    assert statistic.rows == 2
    assert statistic.of(np.array([2.0, 0])) == 1
    assert statistic.of(np.array([0.0, 2])) == 0
    assert statistic.value == pytest.approx(2 / 3)


@given(st.integers(0, 1000))
def test_the_influence_of_a_child_is_the_derivative_by_its_weight(seed):
    generator = np.random.default_rng(seed)
    pairs = np.unique(generator.integers(0, 9, size=(14, 2)), axis=0)
    names = Names(tuple(generator.choice(["a", "b c", "d e"], size=9)), pairs)
    forward, backward, other = (
        {name: generator.integers(-2, 3, size=len(pairs)) * 1.0 for name in ("angle", "cosine", "radius")}
        for _ in range(3)
    )
    statistics = is_a(names, forward, backward, other, {}).statistics
    for statistic in statistics.values():
        for child, influence in enumerate(statistic.deviations):
            step = 1e-6 * np.eye(statistic.rows)[child]
            slope = (float(statistic.of(1 + step)) - float(statistic.of(1 - step))) / 2e-6
            assert influence == pytest.approx(slope * statistic.rows, abs=1e-5)


@given(st.integers(0, 1000))
def test_random_ancestors_are_as_frequent_and_not_true(seed):
    generator = np.random.default_rng(seed)
    pairs = np.unique(generator.integers(0, 60, size=(40, 2)), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    found = shuffled_ancestors(pairs, seed)
    np.testing.assert_array_equal(np.sort(found), np.sort(pairs[:, 1]))
    true = {tuple(pair) for pair in pairs.tolist()}
    wrong = [(c, a) for c, a in zip(pairs[:, 0].tolist(), found.tolist(), strict=True) if c == a or (c, a) in true]
    assert not wrong


def test_names_that_the_model_lacks(model, names):
    some = Words({word: vector for word, vector in model.vectors.items() if word != "a bird"})
    with pytest.raises(InputError, match="a bird"):
        measure(some, "wordnet", data="demo", prompt="{}")
    left = measure(some, "wordnet", data="demo", prompt="{}", missing="skip", samples=5)
    assert left.settings["names"] == len(names.words) - 1
    assert left.settings["pairs"] == sum("a bird" not in (names.words[c], names.words[a]) for c, a in names.pairs)
    with pytest.raises(InputError, match="no pair of a name and its ancestor"):
        measure(Words({"an owl": [1.0, 2]}), "wordnet", data="demo", prompt="{}", missing="skip")


def test_a_list_of_synsets_gets_its_pairs_from_the_bundled_nouns(tmp_path, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    path = tmp_path / "synsets.txt"
    path.write_text("dog.n.01\ncanine.n.02\nmeat-eater\tcarnivore.n.01\nn02121620\ncar.n.01\n")
    found = benchmark_named("wordnet", data=str(path)).names
    pairs = {(found.words[c], found.words[a]) for c, a in found.pairs}
    assert pairs == {
        ("dog", "canine"),
        ("dog", "meat-eater"),
        ("canine", "meat-eater"),
        ("n02121620", "meat-eater"),
    }
    path.write_text("dog.n.01\ncanin.n.02\n")
    with pytest.raises(InputError, match=r"canin\.n\.02"):
        benchmark_named("wordnet", data=str(path)).load()


def test_lvis_as_a_model(data_home, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(data_home))
    model, stored = adapters.load("lvis:clip"), load_lvis()
    rows = torch.nn.functional.normalize(stored.text.double(), dim=1)
    assert torch.allclose(model.encode_text(["a banana"])[0].double(), rows[stored.words.index("banana")], atol=1e-6)
    mean = torch.nn.functional.normalize(rows.mean(0), dim=0)
    assert torch.allclose(model.root().double(), mean, atol=1e-6)
    assert (
        model.fingerprint()
        == adapters.load(f"lvis:{data_home / 'clip_lvis'}/lvis1203_clip_vitb32_text.npz").fingerprint()
    )
    with pytest.raises(InputError, match="banana"):
        model.encode_text(["banana"])
    result = measure(model, "wordnet", Space("euclidean", rows.mean(0).float()), samples=5)
    # of the plain mean as root, as measured independently of this package
    assert result.metrics["isa_radius"] == pytest.approx(0.865, abs=0.002)
    assert result.settings["pairs"] == 495


def test_children_without_a_wrong_ancestor_have_no_auroc(wordnet_home):
    listed = wordnet_home / "list.txt"
    listed.write_text("dog.n.01\ncat.n.01\nanimal.n.01\n")
    model = Words({"dog": [1.0, 1], "cat": [1.0, 2], "animal": [1.0, 0]})
    result = measure(model, "wordnet", data=str(listed), prompt="{}", samples=5)
    assert {"isa_auroc", "isa_auroc_cosine"}.isdisjoint({*result.metrics, *result.baselines})
    assert "isa_direction" in result.metrics
    np.testing.assert_array_equal(true_draws(np.array([[0, 1], [2, 3]]), np.array([3, 3])), [False, True])


def test_a_synset_may_be_listed_once(tmp_path, wordnet_home):
    listed = wordnet_home / "list.txt"
    listed.write_text("dog.n.01\nhound\tn02084071\nanimal.n.01\n")
    with pytest.raises(InputError, match=r"dog\.n\.01 twice, as dog\.n\.01 and n02084071"):
        benchmark_named("wordnet", data=str(listed)).load()
    listed.write_text("n02084071\nanimal.n.01\n")
    assert benchmark_named("wordnet", data=str(listed)).names.pairs.tolist() == [[0, 1]]


@pytest.mark.parametrize("benchmark", ["wordnet", "trees", "hyperlex"])
def test_an_empty_data_home_is_enough(tmp_path, monkeypatch, benchmark):
    """Is-a pairs of one's own words, trees over folders called by wnid, and the pairs of a table of HyperLex."""
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path / "empty"))
    source = tmp_path / "source"
    if benchmark == "trees":
        for name in ("n02084071", "n02121620", "bird"):
            (source / name).mkdir(parents=True)
            Image.new("RGB", (8, 8), (len(name), 0, 0)).save(source / name / "one.png")
        options = {"tree": "wordnet", "names": str(tmp_path / "names.tsv")}
        (tmp_path / "names.tsv").write_text("n02084071\tdog\nn02121620\tcat\nbird\tbird\n")
    elif benchmark == "wordnet":
        source.write_text("dog.n.01\ncanine.n.02\nn02121620\nanimal.n.01\n")
        options = {}
    else:
        rows = ["dog animal N hyp-1 5.9 9.8", "animal dog N r-hyp-1 1 1.5", "dog cat N no-rel 0 0.1"]
        source.write_text("\n".join(["WORD1 WORD2 POS TYPE AVG_SCORE AVG_SCORE_0_10", *rows]) + "\n")
        options = {}
    result = measure(Hashed(), benchmark, "euclidean", data=str(source), samples=5, **options)
    told = result.settings.get("wordnet", "")
    assert told == ("" if benchmark == "hyperlex" else "bundled, 75,831 edges")


@pytest.fixture
def wordnet_home(tmp_path, monkeypatch):
    """Four synsets: dog and cat below animal below entity."""
    (tmp_path / "wordnet").mkdir()
    (tmp_path / "wordnet" / "noun_hypernyms.tsv.gz").write_text(
        "dog.n.01\tanimal.n.01\ncat.n.01\tanimal.n.01\nanimal.n.01\tentity.n.01\n"
    )
    (tmp_path / "wordnet" / "noun_synsets.tsv.gz").write_text("n02084071\tdog.n.01\nn00015388\tanimal.n.01\n")
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    return tmp_path
