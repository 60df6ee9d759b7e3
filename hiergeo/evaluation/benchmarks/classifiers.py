"""Benchmarks of classifiers by prompts of class names: accuracy, how far mistakes go in a tree, levels of BREEDS."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import final

import numpy as np
import torch

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_lines
from hiergeo.adapters import Model
from hiergeo.datasets.breeds import SPLITS, Superclass, load_breeds, split_named
from hiergeo.datasets.imagenet import WNID, with_names
from hiergeo.datasets.scenes import things
from hiergeo.datasets.wordnet import load_wordnet, read_tree
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Published, Run, check_choice, published
from hiergeo.evaluation.classification import AVERAGING, ClassItems, EmbeddedLabels, check_labels, embed_labels
from hiergeo.evaluation.metrics import TREE_METRICS, Tree
from hiergeo.evaluation.metrics.registry import declare, share
from hiergeo.evaluation.metrics.trees import quoted_names
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.geometry import Space

CLASSES = 1000  # how many classes ImageNet has
ZOO = "model zoo of HyCoCLIP"
IMAGENET = "ImageNet val, 1,000 classes, 7 templates"
TANGENT, NORMALISED = f"{IMAGENET} averaged in the tangent space", f"{IMAGENET}, normalised features averaged"
FIVE = 5


def read_items(data: str, names: str = "", templates: str = "") -> ClassItems:
    """The items that the options of a `ClassifierBenchmark` name."""
    prompts = _prompts(templates) if templates else None
    labelled = datasets.labelled(data, prompts)
    return ClassItems.of(labelled if data == "scenes" else with_names(labelled, names or None))


def _is_imagenet(data: str) -> bool:
    """Whether data are images of ImageNet: a folder with a subfolder for each of 1,000 wnids."""
    folder = path_of(data)
    if data == "scenes" or not folder.is_dir():
        return False
    return sum(WNID.fullmatch(path.name) is not None for path in folder.iterdir()) == CLASSES


def _prompts(path: str) -> list[str]:
    lines = [line for line in read_lines(path, "write one prompt a line there") if line.strip()]
    wrong = next((line for line in lines if line.count("{}") != 1), None)
    if wrong is not None or not lines:
        raise InputError(
            f"{path} must hold prompts with {{}} once, where the name of a class goes, not '{wrong or ''}'."
        )
    return lines


class PromptBenchmark(Benchmark):
    """A benchmark of images and prompts of class names, those of a class averaged as one of `AVERAGING`."""

    images = True
    loads = "items"

    def __init__(self, split: str, averaging: str) -> None:
        check_choice("averaging", averaging, AVERAGING)
        self.split, self.averaging = split, averaging

    @property
    @abstractmethod
    def items(self) -> ClassItems:
        """The items and their classes, which are embedded."""

    @abstractmethod
    def protocol_by(self, averaging: str) -> str:
        """The protocol with the averaging of a model."""

    @abstractmethod
    def score(self, embedded: EmbeddedLabels, space: Space, labels: np.ndarray) -> Outcome:
        """The metrics of items (n,) of these classes."""

    @property
    def facts(self) -> dict[str, str]:
        """What a result says besides of the data."""
        return {}

    @property
    def protocol(self) -> str:
        return self.protocol_by(self.averaging)

    def check(self, model: Model, space: Space) -> None:
        check_labels(model, self.items)

    def run(self, model: Model, space: Space, how: Run) -> Result:
        items = self.items
        embedded = embed_labels(model, items, self.averaging, compute=how.compute, progress=how.progress)
        rooted = space.rooted(embedded.root)
        facts = {
            "split": self.split,
            "items": len(items.items),
            "classes": len(items.classes),
            "averaging": embedded.averaging,
            "protocol": self.protocol_by(embedded.averaging),
        }
        outcome = self.score(embedded, rooted, np.array(items.labels))
        return self.result(outcome, model, rooted, embedded.item, how, **facts, **self.facts)


class ClassifierBenchmark(PromptBenchmark):
    """A benchmark of zero-shot predictions, whose published figures are of ImageNet with each model's own averages.

    Data are ``scenes``, or a folder with one subfolder of images a class; `names` is a file of ``key<TAB>name`` lines
    where subfolders are called neither by name nor by ImageNet's wnids, `templates` a file of one prompt with ``{}`` a
    line, in place of those that belong to the data.
    """

    def __init__(self, data: str, averaging: str, names: str, templates: str) -> None:
        super().__init__(data, averaging)
        self.names, self.templates = names, templates
        if averaging == "normalised" or not _is_imagenet(data):
            self.published = ()

    @cached_property
    def items(self) -> ClassItems:
        return read_items(self.split, self.names, self.templates)


@final
class ZeroShotClassification(ClassifierBenchmark):
    """Accuracy of the nearest class: per class and then averaged, over all items, and within the first five.

    Baselines: ``chance`` is a class drawn at random, ``majority`` always the most frequent class, or the five of them.
    Options are those of `ClassifierBenchmark`.
    """

    name = "zero_shot"
    label = "zero-shot classification"
    primary = "mean_per_class_accuracy"
    metrics = declare(
        share("mean_per_class_accuracy", "mean per-class accuracy", unit="images", measures="share of images"),
        share("zero_shot_accuracy", "zero-shot accuracy", unit="images", discrete=True, measures="share of images"),
        share("top5_accuracy", "top-5 accuracy", unit="images", discrete=True, measures="share of images"),
    )
    needs = "a folder with one subfolder of images a class; scenes needs none"
    published: tuple[Published, ...] = (
        Published("CLIP ViT-S", "mean_per_class_accuracy", 0.367, ZOO, NORMALISED),
        Published("MERU ViT-S", "mean_per_class_accuracy", 0.354, ZOO, TANGENT),
        Published("HyCoCLIP ViT-S", "mean_per_class_accuracy", 0.417, ZOO, TANGENT),
        Published("CLIP ViT-B", "mean_per_class_accuracy", 0.406, ZOO, NORMALISED),
        Published("MERU ViT-B", "mean_per_class_accuracy", 0.401, ZOO, TANGENT),
        Published("HyCoCLIP ViT-B", "mean_per_class_accuracy", 0.458, ZOO, TANGENT),
    )

    def __init__(self, data: str = "scenes", averaging: str = "auto", names: str = "", templates: str = "") -> None:
        super().__init__(data, averaging, names, templates)

    def protocol_by(self, averaging: str) -> str:
        return f"{self.split}, {len(self.items.templates)} templates averaged by '{averaging}', nearest class"

    def score(self, embedded: EmbeddedLabels, space: Space, labels: np.ndarray) -> Outcome:
        return class_accuracies(embedded.ranks(space), labels, len(self.items.classes))


def class_accuracies(ranks: np.ndarray, labels: np.ndarray, classes: int) -> Outcome:
    """The metrics of items (n,) of so many classes; `ranks` (n,) is how many classes come before the true one."""
    hits = (ranks == 0).astype(np.float64)
    sizes = np.bincount(labels, minlength=classes)
    weights = 1 / sizes[labels]

    def per_class(counts: np.ndarray) -> float:
        """The mean over items weighted by one over the size of their class; classes that are not drawn do not count."""
        return float((counts * weights) @ hits / (counts @ weights))

    share = sizes / len(labels)
    outcome, present = Outcome(), np.count_nonzero(sizes)
    outcome.add("mean_per_class_accuracy", Statistic(len(hits), per_class), chance=1 / classes, majority=1 / present)
    outcome.add("zero_shot_accuracy", mean_of(hits), chance=1 / classes, majority=float(share.max()))
    first = {"chance": min(1.0, FIVE / classes), "majority": float(np.sort(share)[-FIVE:].sum())}
    outcome.add("top5_accuracy", mean_of((ranks < FIVE).astype(np.float64)), **first)
    return outcome


DOCS = "documentation of hyper3-clip"
VAL = "ImageNet val, imagenet_isa.txt, 7 templates"
APPROXIMATE = "tree rebuilt from WordNet 3.0: approximate, exact figures need the file imagenet_isa.txt"


@final
class Trees(ClassifierBenchmark):
    """TIE, LCA, Jaccard, hierarchical precision and recall of the nearest class (`hiergeo.evaluation.metrics.trees`).

    Baselines: ``chance`` is a class drawn at random, ``shuffled`` the model's own predictions in random order, and
    ``random_mistakes`` the model's accuracy with mistakes drawn at random among the other classes: what a model that
    ignores the hierarchy would score at this accuracy.
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
        tree: str = "auto",  # the things (``demo``) of scenes, else ``wordnet``; or a file of ``parent child`` lines
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
        tree = Tree(things.edges() if self.source == "demo" else read_tree(self.source))
        tree.positions(self.nodes)
        return tree

    def protocol_by(self, averaging: str) -> str:
        tree = APPROXIMATE if self.source == "wordnet" else f"tree {self.source}"
        return (
            f"{self.split}, {len(self.items.templates)} templates averaged by '{averaging}', nearest class; "
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


CUTS = {"superclass": (1, 5), "subclass": (1, 5), "both_levels": (2, 5, 10)}  # cut-offs of each metric
NAMING = "classes by their first name, with the wnid where two share it, superclasses by all names joined by 'or'"
"""What stands in the prompts, as the protocol says."""


@final
class Breeds(PromptBenchmark):
    """Recall@k of the superclass, of the subclass, and of both among the names of both levels.

    ``both_levels_rK`` is the share of an image's two names that are among the K nearest names of either level. The
    paper that measures recall on BREEDS does not say what its candidates are.

    Source: Santurkar et al., BREEDS (ICLR 2021): levels of the corrected hierarchy, subclasses drawn with seed 2.
    """

    name = "breeds"
    label = "BREEDS"
    primary = "superclass_r1"
    metrics = declare(
        *(
            share(f"{name}_r{k}", f"{name.replace('_', ' ')} R@{k}", unit="images", discrete=True)
            for name, cuts in CUTS.items()
            for k in cuts
        )
    )
    needs = "a folder of ImageNet images, one subfolder a wnid (yours), and the hierarchy (`hiergeo data fetch breeds`)"

    def __init__(
        self,
        images: str = "demo",  # the things of scenes; or a folder with one subfolder of ImageNet's images a wnid
        split: str = "entity13",  # or ``entity30``, ``living17``, ``nonliving26``; ``demo`` has none
        averaging: str = "auto",
    ) -> None:
        split_named(split)
        super().__init__("demo" if images == "demo" else split, averaging)
        self.source = images

    @cached_property
    def superclasses(self) -> tuple[Superclass, ...]:
        """Superclasses with the keys of their subclasses."""
        if self.source == "demo":
            kinds: dict[str, list[str]] = {}
            for thing in things.things():
                kinds.setdefault(thing.middle, []).append(thing.word)
            return tuple(Superclass(kind, kind, tuple(below)) for kind, below in kinds.items())
        return load_breeds().superclasses(SPLITS[self.split])

    @cached_property
    def subclasses(self) -> ClassItems:
        """The images of the subclasses."""
        if self.source == "demo":
            return ClassItems.of(datasets.labelled("scenes"))
        wnids = [wnid for above in self.superclasses for wnid in above.subclasses]
        names = load_breeds().classes
        labelled = datasets.labelled(self.source, only=wnids)
        return ClassItems.of(replace(labelled, classes=tuple(_class_name(names[wnid], wnid, names) for wnid in wnids)))

    @cached_property
    def items(self) -> ClassItems:
        """The images among the names of both levels, superclasses first, of which theirs are."""
        lower = self.subclasses
        upper_of = {key: index for index, upper in enumerate(self.superclasses) for key in upper.subclasses}
        names = [upper.name.replace(", ", " or ") for upper in self.superclasses]
        return lower.renamed([*names, *lower.classes], [upper_of[lower.keys[label]] for label in lower.labels])

    def protocol_by(self, averaging: str) -> str:
        what = "kinds of scenes' things" if self.source == "demo" else f"{self.split}, {self.source}, {NAMING}"
        return (
            f"{what}: {len(self.superclasses)} superclasses, {len(self.subclasses.classes)} subclasses, "
            f"{len(self.items.templates)} templates averaged by '{averaging}'"
        )

    def score(self, embedded: EmbeddedLabels, space: Space, labels: np.ndarray) -> Outcome:
        many, points, item = len(self.superclasses), embedded.classes, space.points(embedded.item)

        def ranks(candidates: torch.Tensor, *targets: np.ndarray) -> np.ndarray:
            on_device = (torch.from_numpy(target).to(points.device) for target in targets)
            return torch.stack([space.rank(item, candidates, target) for target in on_device]).cpu().numpy()

        low = np.array(self.subclasses.labels)
        by_level = {
            "superclass": ranks(points[:many], labels),
            "subclass": ranks(points[many:], low),
            "both_levels": ranks(points, labels, low + many),
        }
        return level_recalls(by_level, many, len(points))


def level_recalls(ranks: dict[str, np.ndarray], upper: int, names: int) -> Outcome:
    """Recall@k of the ranks (targets, n) of each metric of `CUTS`, and what a random order of the candidates gives."""
    candidates = {"superclass": upper, "subclass": names - upper, "both_levels": names}
    outcome = Outcome()
    for name, cuts in CUTS.items():
        for k in cuts:
            outcome.add(f"{name}_r{k}", mean_of((ranks[name] < k).mean(axis=0)), chance=min(1.0, k / candidates[name]))
    return outcome


def _class_name(name: str, wnid: str, names: dict[str, str]) -> str:
    """The first of a class's names; of those that two classes share, with the wnid behind it."""
    first = name.split(",")[0].strip()
    if not first:
        raise InputError(f"the class {wnid} has no name.")
    twice = sum(other.split(",")[0].strip() == first for other in names.values()) > 1
    return f"{first} ({wnid})" if twice else first
