"""What is known about every metric: its label, its direction, whether curvature can change it, how it is resampled.

Third parties add metrics through the entry-point group ``hiergeo.metrics``: the entry's name is the metric's name, and
its value is a `Metric` or a function without arguments that returns one.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from hiergeo._core.errors import UnavailableError
from hiergeo._core.plugins import Plugins

Unit = Literal["rows", "images", "captions", "none"]
"""What the bootstrap of a metric resamples; "none" for plain numbers without an interval."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: key in results and JSON, such as ``auroc_margin``.
        label: name for tables and figures, such as "AUROC (margin)".
        higher_is_better: False where a smaller value is better; None where neither is a merit.
        depends_on_curvature: whether spaces of different curvature can differ in it on the same embeddings. Metrics of
            radii alone cannot: a point's radius is |e - root| in every geometry.
        unit: what the bootstrap resamples.
        discrete: whether it is the mean of one value per row, image or caption that takes few values, so that an exact
            sign test applies to paired differences.
        control: whether it repeats another metric with a confound held fixed. Controls are shown with their intervals,
            but differences between geometries are not tested in them.
        least: smallest value of an item, where the largest is 1: a metric whose items have no others is a proportion.
            -inf where items are not bounded.
    """

    name: str
    label: str
    higher_is_better: bool | None = True
    depends_on_curvature: bool = True
    unit: Unit = "rows"
    discrete: bool = False
    control: bool = False
    least: float = 0.0

    @property
    def heading(self) -> str:
        """The label, with an arrow down where less is better."""
        return f"{self.label} ↓" if self.higher_is_better is False else self.label


EQUAL = "equal length"
"""How labels name metrics with the length of captions held fixed."""


def _ranked(suffix: str, *details: str, ties: bool = True, matched: bool = True, bends: bool = True) -> list[Metric]:
    """AUROC and AP by one score, perhaps with lengths matched, and the share of ties."""

    def label(name: str, *more: str) -> str:
        return f"{name} ({', '.join((*details, *more))})" if details or more else name

    found = []
    for name, called in (("auroc", "AUROC"), ("average_precision", "AP")):
        found.append(Metric(f"{name}{suffix}", label(called), depends_on_curvature=bends))
        if matched:
            of_length = f"{name}{suffix}_equal_length", label(called, EQUAL)
            found.append(Metric(*of_length, depends_on_curvature=bends, control=True))
    return [*found, Metric(f"score_ties{suffix}", label("score ties"), None, unit="none")] if ties else found


def _word_metrics() -> list[Metric]:
    """Those of `hiergeo.evaluation.benchmarks.hyperlex`; radii and cosines are the same in every geometry."""
    found = []
    for score in ("angle", "margin", "radius", "distance", "cosine"):
        bends = score in ("angle", "margin", "distance")
        for suffix, of in (("", ""), ("_nouns", ", nouns"), ("_verbs", ", verbs")):
            found.append(Metric(f"spearman_{score}{suffix}", f"Spearman ({score}{of})", depends_on_curvature=bends))
        found.append(Metric(f"direction_{score}", f"direction AUROC ({score})", depends_on_curvature=bends))
    return found


def _class_metrics() -> list[Metric]:
    """Those of `hiergeo.evaluation.benchmarks.zero_shot`, `trees`, `breeds` and `wordnet`."""
    return [
        Metric("mean_per_class_accuracy", "mean per-class accuracy", unit="images"),
        Metric("top5_accuracy", "top-5 accuracy", unit="images", discrete=True),
        Metric("tie", "TIE", False, unit="images"),
        Metric("lca", "LCA", False, unit="images"),
        Metric("jaccard", "Jaccard", unit="images"),
        Metric("h_precision", "H-P", unit="images"),
        Metric("h_recall", "H-R", unit="images"),
        Metric("superclass", "superclass", unit="images", discrete=True),
        Metric("subclass", "subclass", unit="images", discrete=True),
        Metric("both_levels", "both levels", unit="images", discrete=True),
        Metric("isa_radius", "is-a by radius", depends_on_curvature=False),
        Metric("isa_radius_equal_words", "is-a by radius, equal words", depends_on_curvature=False),
        Metric("isa_direction", "is-a direction AUROC"),
        Metric("isa_auroc", "is-a AUROC"),
        Metric("isa_auroc_cosine", "is-a AUROC (cosine)", depends_on_curvature=False),
        Metric("isa_hits", "ancestors found (margin)", discrete=True),
        Metric("isa_hits_distance", "ancestors found (distance)", discrete=True),
    ]


def _chain_metrics() -> list[Metric]:
    """Those of `hiergeo.construction.quality`; texts alone, but for the growth of radii."""
    labels: tuple[tuple[str, str, bool | None], ...] = (
        ("accepted", "accepted by a person", True),
        ("forward_entailed", "entailed", True),
        ("forward_neutral", "neutral", False),
        ("forward_contradicted", "contradicting", False),
        ("chain_entailed", "whole chain entailed", True),
        ("negative_contradicted", "negatives that contradict", True),
        ("negative_neutral", "neutral negatives", False),
        ("negative_entailed", "entailed negatives", False),
        ("negative_equal", "negative = positive", False),
        ("words", "words", None),
        ("words_negative", "words of negatives", None),
        ("words_grow", "words grow", True),
        ("radii_grow", "radii grow", True),
        ("texts_distinct", "distinct texts", None),
        ("texts_shared", "texts shared between images", None),
        ("texts_repeated", "chains with a text twice", False),
        ("head_noun", "head nouns agree", True),
        ("head_noun_found", "head nouns found", None),
        ("word_coverage", "words kept by the next tier", None),
        ("reference_equal", "equal to the reference", True),
        ("reference_same", "equal to the reference but for case", True),
        ("reference_overlap", "words shared with the reference", True),
        ("reference_similarity", "similarity to the reference", True),
    )
    least = {"words": -math.inf, "words_negative": -math.inf, "reference_similarity": -1.0}
    return [
        Metric(name, label, merit, depends_on_curvature=False, unit="images", least=least.get(name, 0.0))
        for name, label, merit in labels
    ]


METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        Metric("tau_d", "tau_d", depends_on_curvature=False, discrete=True, least=-1.0),
        Metric("tau_d_equal_length", f"tau_d ({EQUAL})", depends_on_curvature=False, control=True, least=-1.0),
        Metric("tau_d_unseen", "tau_d, unseen texts", depends_on_curvature=False, discrete=True, least=-1.0),
        Metric("tied_share", "tied share", None, depends_on_curvature=False, unit="none"),
        Metric("parent_mrr", "parent MRR"),
        Metric("precision", "precision", unit="images", discrete=True),
        Metric("recall", "recall", unit="images", discrete=True),
        Metric("any_hit", "any hit", unit="images", discrete=True),
        *_ranked(""),
        *_ranked("_sibling", "sibling"),
        *_ranked("_margin", "margin"),
        *_ranked("_margin_sibling", "margin", "sibling"),
        *_ranked("_distance", "distance", matched=False),
        Metric("auroc_finest", "AUROC, finest tier"),
        Metric("auroc_finest_margin", "AUROC, finest tier (margin)"),
        Metric("auroc_finest_distance", "AUROC, finest tier (distance)"),
        Metric("auroc_text_alone", "AUROC, text alone", None, depends_on_curvature=False),
        Metric("inclusion_direction", "inclusion direction", depends_on_curvature=False),
        *_ranked("_inclusion", "inclusion", ties=False, bends=False),
        *_word_metrics(),
        *_class_metrics(),
        *_chain_metrics(),
        Metric("image_to_text", "image to text", unit="images", discrete=True),
        Metric("text_to_image", "text to image", unit="captions", discrete=True),
        Metric("himo", "HiMo", unit="images"),
        Metric("himo_other_image", "HiMo, other image", None, unit="images"),
        Metric("native", "parent MRR", unit="none"),
        Metric("angle_only", "by angles alone", unit="none"),
        Metric("radius_only", "by radii alone", depends_on_curvature=False, unit="none"),
        Metric("flat", "with K = 0", depends_on_curvature=False, unit="none"),
        Metric("depth", "radial depth", None, depends_on_curvature=False, unit="none"),
        Metric("cone_gain", "cone gain", None, unit="none"),
        Metric("u_median", "u, median", None, unit="none"),
        Metric("u_share_above_1", "u above 1", None, unit="none"),
        Metric("zero_shot_accuracy", "zero-shot accuracy", unit="images", discrete=True),
        Metric("similarity_change", "change of cosines", None, depends_on_curvature=False, unit="none"),
        Metric("similarity_correlation", "correlation of cosines", None, depends_on_curvature=False, unit="none"),
    )
}
"""The metrics of this package by name.

``image_to_text_rK`` is R@K of ``image_to_text``, ``words_tierK`` is ``words`` of tier K.
"""

PLUGINS: Plugins[Any] = Plugins("metric", "hiergeo.metrics", METRICS)
"""Those metrics and the ones of other packages."""

RADIAL = frozenset(each.name for each in METRICS.values() if not each.depends_on_curvature and each.unit != "none")
"""Metrics of radii alone, which no geometry can win on the same embeddings: the radius is |e - root| in all of them."""

RANK = re.compile(r"(?P<base>.+)_r(?P<k>\d+)")
TIER = re.compile(r"(?P<base>.+)_tier(?P<k>\d+)")


@cache
def find_metric(name: str) -> Metric:
    """The record of a metric.

    An unregistered name gets a default record: labelled by the name, higher is better, resampled by row.

    Raises:
        UnavailableError: the entry point of that name cannot be loaded, or gives no `Metric`.
    """
    if name in PLUGINS:
        made = PLUGINS.get(name)
        if not isinstance(made, Metric):
            with PLUGINS.running(name, "cannot be made"):
                made = made()
        if not isinstance(made, Metric):
            raise UnavailableError(f"the metric '{name}' is a {type(made).__name__}, not a hiergeo.metrics.Metric.")
        return made
    for pattern, ending in ((RANK, " R@{}"), (TIER, ", tier {}")):
        match = pattern.fullmatch(name)
        if match and match["base"] in METRICS:
            base = METRICS[match["base"]]
            return replace(base, name=name, label=base.label + ending.format(match["k"]))
    return Metric(name, name)


def omissions(left_out: Mapping[str, str]) -> str:
    """Metrics that were not measured, and why, in a sentence; empty without any."""
    by_reason: dict[str, list[str]] = {}
    for metric, why in left_out.items():
        by_reason.setdefault(why, []).append(find_metric(metric).label)
    said = "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
    return f"Left out: {said}." if said else ""
