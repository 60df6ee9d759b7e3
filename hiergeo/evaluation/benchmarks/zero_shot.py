"""Zero-shot classification of labelled images by prompts of class names."""

from typing import final

import numpy as np

from hiergeo.adapters import Model
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks.benchmark import Published, Run
from hiergeo.evaluation.benchmarks.classes import ClassifierBenchmark
from hiergeo.evaluation.metrics.registry import declare, share
from hiergeo.evaluation.result import Outcome, Statistic, mean_of
from hiergeo.geometry import Space

ZOO = "model zoo of HyCoCLIP"
IMAGENET = "ImageNet val, 1,000 classes, 7 templates"
TANGENT, NORMALISED = f"{IMAGENET} averaged in the tangent space", f"{IMAGENET}, normalised features averaged"
FIVE = 5


@final
class ZeroShotClassification(ClassifierBenchmark):
    """Accuracy of the nearest class: per class and then averaged, over all items, and within the first five.

    Baselines: ``chance`` is a class drawn at random, ``majority`` always the most frequent class, or the five of them.

    Args:
        data: ``scenes``, a folder with one subfolder of images a class, or ``imagenet-synonyms`` (texts: the other
            names that WordNet has for ImageNet's classes, which a model without images can classify too).
        averaging, names, templates: as for `ClassifierBenchmark`.
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

    def run(self, model: Model, space: Space, how: Run) -> Result:
        embedded = self.embed(model, how)
        rooted = space.rooted(embedded.root)
        outcome = class_accuracies(embedded.ranks(rooted), np.array(self.items.labels), len(self.items.classes))
        return self.result(outcome, model, rooted, embedded.item, how, **self.facts(embedded))


def class_accuracies(ranks: np.ndarray, labels: np.ndarray, classes: int) -> Outcome:
    """The metrics of zero-shot classification.

    Args:
        ranks: (n,) how many classes come before the true one.
        labels: (n,) the true classes.
        classes: how many there are.
    """
    hits = (ranks == 0).astype(np.float64)

    there = np.bincount(labels, minlength=classes)
    weights = 1 / there[labels]

    def per_class(counts: np.ndarray) -> float:
        """The mean over items weighted by one over the size of their class; classes that are not drawn do not count."""
        return float((counts * weights) @ hits / (counts @ weights))

    share = there / len(labels)
    outcome, present = Outcome(), np.count_nonzero(there)
    outcome.add("mean_per_class_accuracy", Statistic(len(hits), per_class), chance=1 / classes, majority=1 / present)
    outcome.add("zero_shot_accuracy", mean_of(hits), chance=1 / classes, majority=float(share.max()))
    first = {"chance": min(1.0, FIVE / classes), "majority": float(np.sort(share)[-FIVE:].sum())}
    outcome.add("top5_accuracy", mean_of((ranks < FIVE).astype(np.float64)), **first)
    return outcome
