"""Results as CLIP_benchmark of LAION writes them, so that its tables and notebooks take them in."""

from typing import Any

from hiergeo._core.errors import InputError
from hiergeo.evaluation import Result

TASKS = {"retrieval": "zeroshot_retrieval", "zero_shot": "zeroshot_classification"}
"""The benchmarks of this package that CLIP_benchmark has too, and what it calls them."""

DIRECTIONS = {"image_to_text": "text_retrieval_recall@", "text_to_image": "image_retrieval_recall@"}
"""Recalls are named by what is sought there: of texts for an image, and of images for a text."""

ACCURACIES = {
    "zero_shot_accuracy": "acc1",
    "top5_accuracy": "acc5",
    "mean_per_class_accuracy": "mean_per_class_recall",
}

DATASETS = {
    ("coco", "val2017"): "mscoco_captions2017",
    ("coco", "test"): "mscoco_captions",
    ("flickr30k", "test"): "flickr30k",
    ("flickr8k", "test"): "flickr8k",
}
"""Data and split -> the name of CLIP_benchmark for them; others keep their own."""


def check_clip_benchmark(benchmark: str) -> None:
    """Raise InputError for a benchmark that CLIP_benchmark has no task for."""
    if benchmark not in TASKS:
        raise InputError(f"CLIP_benchmark has no task like '{benchmark}': it takes {' and '.join(TASKS)}.")


def to_clip_benchmark(result: Result, dataset: str | None = None) -> dict[str, Any]:
    """A result of the benchmark ``retrieval`` or ``zero_shot`` as an object of CLIP_benchmark.

    Its keys are ``dataset``, ``model``, ``pretrained``, ``task``, ``metrics`` and ``language``, all of which its script
    ``clip_benchmark build`` reads; ``geometry`` and ``protocol`` are added, which become columns there.

    Args:
        result: of `hiergeo.evaluation.benchmarks.measure`.
        dataset: the name to store; by default CLIP_benchmark's own for the data, where it has one.

    Raises:
        InputError: the result is of another benchmark.
    """
    settings = {name: str(value) for name, value in result.settings.items()}
    check_clip_benchmark(settings["dataset"])
    metrics: dict[str, float] = {}
    for name, value in result.metrics.items():
        direction, _, k = name.rpartition("_r")
        if direction in DIRECTIONS:
            metrics[DIRECTIONS[direction] + k] = value
        elif name in ACCURACIES:
            metrics[ACCURACIES[name]] = value
    model, pretrained = _named(settings["model"])
    data = settings.get("data", settings["dataset"])
    return {
        "dataset": dataset or DATASETS.get((data, settings.get("split", "")), data),
        "model": model,
        "pretrained": pretrained,
        "task": TASKS[settings["dataset"]],
        "metrics": metrics,
        "language": "en",
        "geometry": settings["geometry"],
        "protocol": settings["protocol"],
    }


def _named(spec: str) -> tuple[str, str]:
    """Architecture and weights of a spec, as CLIP_benchmark tells them apart; other adapters are part of the former."""
    adapter, _, rest = spec.partition(":")
    architecture, slash, weights = rest.partition("/")
    if adapter == "open_clip" and slash and ":" not in architecture:
        return architecture, weights
    return spec, ""
