"""Names and settings as tables and pages write them."""

import re
from collections.abc import Iterable

from hiergeo._core.records import number as number
from hiergeo._core.text import caption
from hiergeo._core.text import listing as listing
from hiergeo.evaluation import Result
from hiergeo.evaluation.metrics import find_metric


def label(metric: str) -> str:
    """A metric's name for readers: ``auroc_margin_sibling`` is "AUROC (margin, sibling)"."""
    return find_metric(metric).label


def said(results: Iterable[Result]) -> frozenset[str]:
    """The metric that one sentence says of all results in per cent of pairs: tables do not repeat it in [-1, 1]."""
    shares = {result.answers["beyond_length"].value if result.says_equal_length else None for result in results}
    return frozenset({"tau_d_equal_length"} if len(shares) == 1 and None not in shares else ())


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
