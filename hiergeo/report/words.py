"""Names and settings as tables and pages write them."""

import re

from hiergeo._text import caption
from hiergeo.evaluation import Result
from hiergeo.findings import listing
from hiergeo.findings.exports import number
from hiergeo.metrics import find_metric

__all__ = ["data_name", "label", "listing", "number", "protocol_name", "setting_line", "short_model"]


def label(metric: str) -> str:
    """A metric's name for readers: ``auroc_margin_sibling`` is "AUROC (margin, sibling)"."""
    return find_metric(metric).label


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
