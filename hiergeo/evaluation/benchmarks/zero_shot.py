"""Zero-shot classification of labelled images by prompts of class names, and the items that options name."""

from abc import abstractmethod
from functools import cached_property
from typing import final

import numpy as np

from hiergeo import datasets
from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo._core.storage.texts import read_lines
from hiergeo.adapters import Model
from hiergeo.datasets.imagenet import WNID, with_names
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Benchmark, Published, Run, check_choice
from hiergeo.evaluation.classification import AVERAGING, Classified, EmbeddedLabels, check_labels, embed_labels
from hiergeo.evaluation.metrics.registry import declare, share
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.geometry import Space

CLASSES = 1000  # how many classes ImageNet has
ZOO = "model zoo of HyCoCLIP"
IMAGENET = "ImageNet val, 1,000 classes, 7 templates"
TANGENT, NORMALISED = f"{IMAGENET} averaged in the tangent space", f"{IMAGENET}, normalised features averaged"
FIVE = 5


def read_items(data: str, names: str = "", templates: str = "") -> Classified:
    """The items that the options of a `ClassifierBenchmark` name."""
    prompts = _prompts(templates) if templates else None
    labelled = datasets.labelled(data, prompts)
    return Classified.of(labelled if data == "scenes" else with_names(labelled, names or None))


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


class ClassifierBenchmark(Benchmark):
    """A benchmark of zero-shot predictions, whose published figures are of ImageNet with each model's own averages.

    Args:
        data: ``scenes``, or a folder with one subfolder of images a class.
        averaging: of the prompts of a class, one of `AVERAGING`.
        names: a file of ``key<TAB>name`` lines where subfolders are not called by name; wnids of ImageNet need none.
        templates: a file of one prompt a line with ``{}``, in place of those that belong to the data.
    """

    images = True
    loads = "items"

    def __init__(self, data: str, averaging: str, names: str, templates: str) -> None:
        check_choice("averaging", averaging, AVERAGING)
        self.data, self.averaging, self.names, self.templates = data, averaging, names, templates
        if averaging == "normalised" or not _is_imagenet(data):
            self.published = ()

    @cached_property
    def items(self) -> Classified:
        """The items."""
        return read_items(self.data, self.names, self.templates)

    @property
    def protocol(self) -> str:
        return self.protocol_by(self.averaging)

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

    def check(self, model: Model, space: Space) -> None:
        check_labels(model, self.items)

    def run(self, model: Model, space: Space, how: Run) -> Result:
        embedded = embed_labels(model, self.items, self.averaging, compute=how.compute, progress=how.progress)
        rooted = space.rooted(embedded.root)
        outcome = self.score(embedded, rooted, np.array(self.items.labels))
        facts = {
            "split": self.data,
            "items": len(self.items.items),
            "classes": len(self.items.classes),
            "averaging": embedded.averaging,
            "protocol": self.protocol_by(embedded.averaging),
        }
        return self.result(outcome, model, rooted, embedded.item, how, **facts, **self.facts)


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
        return f"{self.data}, {len(self.items.templates)} templates averaged by '{averaging}', nearest class"

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
