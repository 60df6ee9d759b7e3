"""Tree metrics of zero-shot predictions: how far in a hierarchy of classes do mistakes go?"""

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np

from hiergeo._core.errors import InputError
from hiergeo.adapters import Model
from hiergeo.datasets.scenes import taxonomy
from hiergeo.datasets.wordnet import load_wordnet, read_tree
from hiergeo.evaluation.benchmarks.benchmark import Published, published
from hiergeo.evaluation.benchmarks.zero_shot import ClassifierBenchmark
from hiergeo.evaluation.classification import EmbeddedLabels
from hiergeo.evaluation.metrics import TREE_METRICS, Tree
from hiergeo.evaluation.metrics.trees import quoted_names
from hiergeo.evaluation.result import Outcome, mean_of
from hiergeo.geometry import Space

DOCS = "documentation of hyper3-clip"
VAL = "ImageNet val, imagenet_isa.txt, 7 templates"
APPROXIMATE = "tree rebuilt from WordNet 3.0: approximate, exact figures need the file imagenet_isa.txt"


@final
class Trees(ClassifierBenchmark):
    """TIE, LCA, Jaccard, hierarchical precision and recall of the nearest class (`hiergeo.evaluation.metrics.trees`).

    Baselines: ``chance`` is a class drawn at random, ``shuffled`` the model's own predictions in random order, and
    ``random_mistakes`` the model's accuracy with mistakes drawn at random among the other classes: what a model that
    ignores the hierarchy would score at this accuracy.

    Args:
        data, averaging, names, templates: as for `ClassifierBenchmark`.
        tree: ``auto`` (the shapes of scenes for scenes, otherwise WordNet), ``wordnet``, ``demo`` (the shapes), or a
            file of one ``parent child`` a line, such as ``imagenet_isa.txt``. WordNet knows classes by wnid, by synset
            name, or by word, which is taken in its first sense.
    """

    name = "trees"
    label = "tree metrics"
    primary = "tie"
    metrics = (*TREE_METRICS, "zero_shot_accuracy")
    loads = "tree"
    needs = "a folder with one subfolder of images a class, and imagenet_isa.txt or WordNet; scenes needs none"
    published: tuple[Published, ...] = (
        *published("MERU ViT-B", DOCS, VAL, tie=3.630, lca=2.220, jaccard=0.780, h_precision=0.850, h_recall=0.850),
        *published("hyper3-clip", DOCS, VAL, tie=3.160, lca=2.079, jaccard=0.818),
        Published("PHyCLIP", "tie", 3.294, "PHyCLIP paper", "ImageNet val"),
    )

    def __init__(
        self,
        data: str = "scenes",
        tree: str = "auto",
        averaging: str = "auto",
        names: str = "",
        templates: str = "",
    ) -> None:
        super().__init__(data, averaging, names, templates)
        self.source = ("demo" if data == "scenes" else "wordnet") if tree == "auto" else tree
        if self.source == "demo":
            self.published = ()

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """What the tree calls each class."""
        return tuple(_synsets(self.items.keys)) if self.source == "wordnet" else self.items.keys

    @cached_property
    def tree(self) -> Tree:
        """The tree, which holds every class."""
        if self.source == "wordnet":
            return Tree(load_wordnet().tree(self.nodes))
        tree = Tree(taxonomy.edges() if self.source == "demo" else read_tree(self.source))
        tree.positions(self.nodes)
        return tree

    def protocol_by(self, averaging: str) -> str:
        tree = APPROXIMATE if self.source == "wordnet" else f"tree {self.source}"
        return (
            f"{self.data}, {len(self.items.templates)} templates averaged by '{averaging}', nearest class; "
            f"{tree} ({len(self.tree.nodes)} nodes)"
        )

    @property
    def facts(self) -> dict[str, str]:
        wordnet = {"wordnet": load_wordnet().described} if self.source == "wordnet" else {}
        return {"tree": self.source, **wordnet}

    def check(self, model: Model, space: Space) -> None:
        _ = self.tree
        super().check(model, space)

    def score(self, embedded: EmbeddedLabels, space: Space, labels: np.ndarray) -> Outcome:
        return mistakes(self.tree, self.tree.positions(self.nodes), embedded.nearest(space), labels)


def mistakes(tree: Tree, classes: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> Outcome:
    """Tree metrics and accuracy of predicted classes (n,) against labels (n,), with what chance gives.

    `classes` (C,) are the positions of the classes in `Tree.nodes`.
    """
    count, accuracy = len(classes), float((predicted == labels).mean())
    values = tree.between(classes[predicted], classes[labels])
    everything = tree.between(np.repeat(classes, count), np.tile(classes, count))
    exact = tree.between(classes[:1], classes[:1])
    drawn, truths = (np.bincount(of, minlength=count) / len(of) for of in (predicted, labels))
    outcome = Outcome()
    for name in TREE_METRICS:
        of_truth = everything[name].reshape(count, count) @ truths
        same, by_chance = float(exact[name][0]), float(of_truth.mean())
        wrong = (by_chance - same / count) / (1 - 1 / count)
        at_random = accuracy * same + (1 - accuracy) * wrong
        baselines = {"chance": by_chance, "shuffled": float(drawn @ of_truth), "random_mistakes": at_random}
        outcome.add(name, mean_of(values[name]), **baselines)
    right = mean_of((predicted == labels).astype(np.float64))
    outcome.add("zero_shot_accuracy", right, chance=1 / count, shuffled=float(drawn @ truths))
    return outcome


def _synsets(keys: Sequence[str]) -> list[str]:
    """The classes as WordNet knows them: wnids and names of synsets as they are, other words by their first sense."""
    wordnet = load_wordnet()
    names = wordnet.names.keys() | wordnet.parents.keys()
    synsets = [key if key in names else f"{key.replace(' ', '_')}.n.01" for key in keys]
    missing = [key for key, name in zip(keys, synsets, strict=True) if name not in names]
    if missing:
        what = "one class is" if len(missing) == 1 else f"{len(missing)} classes are"
        raise InputError(
            f"{what} not in WordNet, {quoted_names(missing)}: call subfolders by wnid, or give a tree that has them."
        )
    return synsets
