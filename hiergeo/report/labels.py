"""Names and settings as tables and pages write them."""

import re
from collections.abc import Iterable

from hiergeo._core.records import number
from hiergeo._core.text import caption, listing
from hiergeo.evaluation import Result
from hiergeo.evaluation.metrics import find_metric

__all__ = [
    "data_name",
    "label",
    "listing",
    "measure",
    "number",
    "protocol_name",
    "setting_line",
    "short_model",
]


def label(metric: str) -> str:
    """A metric's name for readers: ``auroc_margin_sibling`` is "AUROC (margin, sibling)"."""
    return find_metric(metric).label


def said(results: Iterable[Result]) -> frozenset[str]:
    """The metric that one sentence says of all results in per cent of pairs: tables do not repeat it in [-1, 1]."""
    shares = {result.answers["beyond_length"].value if result.says_equal_length else None for result in results}
    return frozenset({"tau_d_equal_length"} if len(shares) == 1 and None not in shares else ())


UNBOUNDED = "edges of the tree"
"""What has no largest value of what axes measure; rank correlations lie in [-1, 1], the others in [0, 1]."""

MEASURES = (
    (r"tau_d|spearman|partial_tau|himo", "rank correlation"),
    (r"auroc|direction|isa_auroc|isa_direction", "area under the ROC curve"),
    (r"average_precision", "average precision"),
    (r"parent_mrr|native", "mean reciprocal rank"),
    (r"tie$|lca$", UNBOUNDED),
    (r"precision|recall|any_hit|h_|walk_|jaccard|isa_hits|isa_radius|cone_|superclass|subclass|both", "share"),
    (r"accepted|forward_|negative_|chain_|words_grow|radii_grow|head_noun|texts_|word_coverage", "share"),
    (r".*_r\d+$", "share of queries"),
    (r".*accuracy", "share of images"),
)
"""Beginnings of metrics and what their axes measure."""


def bounds_of(metric: str) -> tuple[float, float] | None:
    """The values that a metric can take at most; None where it is not known to be bounded."""
    meaning = measure(metric)
    if meaning == UNBOUNDED or meaning not in dict(MEASURES).values():
        return None
    return (-1.0, 1.0) if meaning == "rank correlation" else (0.0, 1.0)


def measure(metric: str) -> str:
    """What the axis of a metric measures: "share", "rank correlation"; its label where nothing more is known."""
    return next((meaning for pattern, meaning in MEASURES if re.match(pattern, metric)), label(metric))


def short_model(name: str) -> str:
    """A model's spec with the folders of an absolute path left out."""
    return re.sub(r"(?<=[:/])/.*/", "", name)


def data_name(result: Result) -> str:
    """The dataset and its split."""
    return f"{result.settings['dataset']} {result.settings['split']}"


def protocol_name(result: Result) -> str:
    """The protocol, with its steps where they play a part."""
    protocol = str(result.settings["protocol"])
    return protocol if protocol == "pairs" else f"{protocol}, {result.settings['steps']} steps"


def setting_line(result: Result) -> str:
    """Model, data and protocol in one line."""
    model, data = (caption(name) for name in (short_model(str(result.settings["model"])), data_name(result)))
    return f"{model} · {data} · {protocol_name(result)}"
