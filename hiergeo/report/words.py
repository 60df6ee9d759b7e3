"""Names and numbers as every table and page writes them."""

import re
from collections.abc import Sequence

from hiergeo._text import caption
from hiergeo.evaluation import Result

READABLE = {
    "auroc": "AUROC",
    "average_precision": "AP",
    "any_hit": "any hit",
    "image_to_text": "image to text",
    "similarity_change": "change of cosines",
    "similarity_correlation": "correlation of cosines",
    "tau_d_unseen": "tau_d, unseen texts",
    "text_to_image": "text to image",
    "score_ties": "score ties",
    "tied_share": "tied share",
}
"""Metric names whose readable form is not the name itself."""

QUALIFIER = re.compile(r"(_margin)?(_sibling)?(_r\d+)?$")


def label(metric: str) -> str:
    """A metric's name for readers: ``auroc_margin_sibling`` is "AUROC (margin, sibling)", ``..._r5`` is "... R@5"."""
    qualifiers = QUALIFIER.search(metric)
    assert qualifiers is not None
    base = metric[: qualifiers.start()]
    name = READABLE.get(base, base)
    margin, sibling, rank = qualifiers.groups()
    details = ", ".join(part[1:] for part in (margin, sibling) if part)
    recall = f" R@{rank[2:]}" if rank else ""
    return f"{name}{recall} ({details})" if details else f"{name}{recall}"


def number(value: float, digits: int = 3) -> str:
    """A figure with a true minus sign, so that columns of either sign align."""
    return f"{value:.{digits}f}".replace("-", "−")


def listing(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


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
