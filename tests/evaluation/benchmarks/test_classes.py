"""Benchmarks of classifiers against sklearn and numpy: zero-shot, tree metrics, BREEDS, and the folders they read."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, top_k_accuracy_score

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.datasets.scenes.things import edges, things
from hiergeo.evaluation.benchmarks import benchmark_named, measure
from hiergeo.evaluation.benchmarks.classifiers import class_accuracies, mistakes, read_items
from hiergeo.evaluation.metrics import Tree, tree_scores
from hiergeo.testing.protocol_suite import Hashed

MODEL = Hashed()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class FreeNorms(Hashed):
    """Embeddings of norms between 1 and 2, as of a hyperbolic model."""

    normalised = False

    def text_rows(self, texts):
        rows = super().text_rows(texts)
        return rows / rows.norm(dim=1, keepdim=True) * (1 + rows[:, :1].abs() / rows.norm(dim=1, keepdim=True))


def distances(averaging: str, model: Hashed = MODEL) -> np.ndarray:
    """From every lone thing of scenes to every class, Euclidean, from the embeddings alone."""
    items = read_items("scenes")
    prompt = model.encode_text(items.prompts).double().numpy().reshape(len(items.classes), len(items.templates), -1)
    points = prompt.mean(1) if averaging == "tangent" else unit(unit(prompt).mean(1))
    image = model.encode_image(items.items).double().numpy()
    return np.linalg.norm(image[:, None] - points, axis=-1)


@pytest.mark.parametrize(
    ("model", "averaging", "used"),
    [
        (MODEL, "tangent", "tangent"),
        (MODEL, "normalised", "normalised"),
        (MODEL, "auto", "normalised"),
        (FreeNorms(), "auto", "tangent"),
        (FreeNorms(), "normalised", "normalised"),
    ],
)
def test_zero_shot_is_what_sklearn_says(model, averaging, used):
    found = measure(model, "zero_shot", "euclidean", averaging=averaging, samples=10)
    assert found.settings["averaging"] == used
    assert used in str(found.settings["protocol"])
    labels = np.array(read_items("scenes").labels)
    length = distances(used, model)
    nearest = length.argmin(1)
    assert found.metrics["zero_shot_accuracy"] == pytest.approx(accuracy_score(labels, nearest), abs=1e-12)
    assert found.metrics["mean_per_class_accuracy"] == pytest.approx(
        balanced_accuracy_score(labels, nearest), abs=1e-12
    )
    assert found.metrics["top5_accuracy"] == pytest.approx(top_k_accuracy_score(labels, -length, k=5), abs=1e-12)
    majority = np.bincount(labels).max() / len(labels)
    chance = 1 / (labels.max() + 1)
    assert found.baselines["mean_per_class_accuracy"] == pytest.approx({"chance": chance, "majority": chance})
    assert found.baselines["zero_shot_accuracy"] == pytest.approx({"chance": chance, "majority": majority})


def test_resamples_of_mean_per_class_accuracy_weight_items_by_the_size_of_their_class():
    outcome = class_accuracies(np.array([0, 1, 0, 2]), np.array([0, 0, 1, 2]), 3)
    statistic = outcome.statistics["mean_per_class_accuracy"]
    assert statistic.value == pytest.approx((0.5 + 1 + 0) / 3)
    assert statistic.of(np.array([2.0, 1, 1, 0])) == pytest.approx((2 / 2 + 1) / (2 / 2 + 1 / 2 + 1))


def test_tree_metrics_are_those_of_the_nearest_classes():
    found = measure(MODEL, "trees", "euclidean", samples=10)
    items = read_items("scenes")
    nearest = [items.classes[place] for place in distances("normalised").argmin(1)]
    true = [items.classes[label] for label in items.labels]
    for name, value in tree_scores(nearest, true, edges()).items():
        assert found.metrics[name] == pytest.approx(value, abs=1e-12)
        low, high = found.intervals[name]
        assert low <= value <= high
    assert "demo" in str(found.settings["protocol"])


def test_baselines_of_trees_are_means_over_all_draws():
    edges = [("a", "x"), ("b", "x"), ("c", "y"), ("x", "top"), ("y", "top")]
    tree, names = Tree(edges), ["a", "b", "c"]
    found, labels = np.array([0, 1, 1, 2, 0, 2]), np.array([0, 0, 1, 2, 2, 2])
    outcome = mistakes(tree, tree.positions(names), found, labels)
    by_chance = [[name, names[label]] for name in names for label in labels]
    shuffled = [[names[p], names[t]] for p in found for t in labels]
    wrong = [[name, names[label]] for label in labels for name in names if name != names[label]]
    right = float((found == labels).mean())
    for metric in ("tie", "lca", "jaccard", "h_precision", "h_recall"):
        held = outcome.baselines[metric]
        for kind, pairs in (("chance", by_chance), ("shuffled", shuffled)):
            assert held[kind] == pytest.approx(tree_scores(*zip(*pairs, strict=True), edges)[metric], abs=1e-12)
        same = tree_scores(["a"], ["a"], edges)[metric]
        mean_wrong = tree_scores(*zip(*wrong, strict=True), edges)[metric]
        assert held["random_mistakes"] == pytest.approx(right * same + (1 - right) * mean_wrong, abs=1e-12)


def test_breeds_ranks_names_of_both_levels():
    found = measure(MODEL, "breeds", "euclidean", samples=10)
    items = read_items("scenes")
    kind_of = {thing.word: thing.middle for thing in things()}
    kinds = list(dict.fromkeys(kind_of.values()))
    names, count = [*kinds, *items.classes], len(kinds)
    prompts = [template.replace("{}", name) for name in names for template in items.templates]
    prompt = MODEL.encode_text(prompts).double().numpy().reshape(len(names), len(items.templates), -1)
    points = unit(unit(prompt).mean(1))
    length = np.linalg.norm(MODEL.encode_image(items.items).double().numpy()[:, None] - points, axis=-1)
    coarse = np.array([kinds.index(kind_of[items.classes[label]]) for label in items.labels])
    order = length.argsort(1, kind="stable")
    assert found.metrics["superclass_r1"] == pytest.approx((length[:, :count].argmin(1) == coarse).mean(), abs=1e-12)
    wanted = [
        len({coarse[i], count + items.labels[i]} & set(order[i, :2].tolist())) / 2 for i in range(len(items.labels))
    ]
    assert found.metrics["both_levels_r2"] == pytest.approx(np.mean(wanted), abs=1e-12)
    rises = [found.metrics[f"both_levels_r{k}"] for k in (2, 5, 10)]
    assert all(a <= b for a, b in pairwise(rises))
    assert found.baselines["subclass_r1"]["chance"] == pytest.approx(1 / len(items.classes))


@pytest.fixture
def folder(tmp_path):
    """Two pictures of two wnids each."""
    for wnid in ("n02084071", "n02121620", "n02958343"):
        (tmp_path / "images" / wnid).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (8, 8), (number * 90, 20, 30)).save(tmp_path / "images" / wnid / f"{wnid}_{number}.png")
    return tmp_path / "images"


@pytest.fixture
def names(folder):
    path = folder.parent / "names.tsv"
    path.write_text("n02084071\tdog\nn02121620\tcat\nn02958343\tcar\n")
    return str(path)


def test_a_folder_of_wnids_with_names_and_a_tree_of_ones_own(folder, names):
    tree = folder.parent / "tree.txt"
    tree.write_text("top animal\nanimal n02084071\nanimal n02121620\ntop n02958343\n")
    options = {"data": str(folder), "names": names, "tree": str(tree)}
    found = measure(MODEL, "trees", "euclidean", samples=5, **options)
    assert found.settings["items"] == 6
    assert read_items(str(folder), names).classes == ("dog", "cat", "car")
    tree.write_text("top animal\nanimal n02084071\nanimal n02121620\n")
    with pytest.raises(InputError, match="n02958343"):
        measure(MODEL, "trees", "euclidean", **options)


def test_the_tree_of_wordnet_is_called_approximate(folder, names, data_home, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(data_home))
    task = benchmark_named("trees", data=str(folder), names=names)
    assert "approximate" in task.protocol
    assert set(task.tree.positions(["n02084071", "n02121620", "n02958343"]).tolist()) <= set(
        range(len(task.tree.nodes))
    )
    assert tree_scores(["n02084071"], ["n02121620"], task.tree)["tie"] == 2
    assert tree_scores(["n02084071"], ["n02958343"], task.tree)["lca"] == 2


def test_prompts_of_ones_own(tmp_path, folder, names):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a {}\n\nmy {}\n")
    assert read_items(str(folder), names, str(prompts)).prompts[:2] == ["a dog", "my dog"]
    prompts.write_text("a dog\n")
    with pytest.raises(InputError, match="a dog"):
        read_items(str(folder), names, str(prompts))


def test_names_that_are_missing_and_folders_that_are_not_there(folder, names, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no folder"):
        measure(MODEL, "zero_shot", data=str(tmp_path / "nowhere"))
    short = tmp_path / "short.tsv"
    short.write_text("n02084071\tdog\n")
    with pytest.raises(InputError, match="n02121620"):
        read_items(str(folder), str(short))
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(tmp_path))
    with pytest.raises(UnavailableError, match="imagenet1k_classes"):
        read_items(str(folder))
    with pytest.raises(UnavailableError, match="data fetch breeds"):
        measure(MODEL, "breeds", images=str(folder))


def test_breeds_names_the_subfolder_that_is_missing(folder, data_home, monkeypatch):
    monkeypatch.setenv("HIERGEO_DATA_HOME", str(data_home))
    with pytest.raises(InputError, match="lacks 260 of 260 subfolders"):
        measure(MODEL, "breeds", images=str(folder), split="entity13")
    with pytest.raises(InputError, match="entity13"):
        benchmark_named("breeds", images=str(folder), split="entity12")
    assert benchmark_named("breeds", images=str(folder)).split == "entity13"
