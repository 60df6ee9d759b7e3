"""The page of items in a tree of labels: what is promised, how deep they come, and the least sure of them first."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiergeo._core.records import percent
from hiergeo._core.text import without_folders
from hiergeo.evaluation.answers import Conclusion
from hiergeo.evaluation.classifying import Classified
from hiergeo.evaluation.classifying.promise import written
from hiergeo.report.page import spaced, write_html
from hiergeo.report.summary import DotPlots

if TYPE_CHECKING:
    from hiergeo.report.ladders import Thumbnail

SHOWN, FOLDED = 24, 96
"""Items that a page shows, and those behind a fold."""


def write_classified(classified: Classified, path: Path, *, items: int = SHOWN + FOLDED) -> Path:
    """Write one HTML file that needs nothing else: at most `items` of them, the least sure first.

    Raises:
        UnavailableError: the file cannot be written.
    """
    made, depth = classified.promise, classified.tree.depth
    counts = np.bincount(classified.level, minlength=depth + 1)
    order = classified.least_sure[:items]
    cards = [_card(classified, int(at)) for at in order]
    model = without_folders(str(classified.settings["model"]))
    count = len(classified.items)
    return write_html(
        path,
        "classified.html",
        picture=DotPlots((), ""),
        title=f"{count:,} items in a tree of {len(classified.tree):,} labels",
        kicker=("classify", model, str(classified.settings["geometry"]), str(classified.settings["method"])),
        conclusion=Conclusion(_headline(classified)),
        promise=made,
        facts=_facts(classified),
        levels=[(level, int(n), percent(n / count), n / counts.max()) for level, n in enumerate(counts)],
        shown=cards[:SHOWN],
        folded=cards[SHOWN:],
        count=count,
        settings=spaced(classified.settings),
    )


def _headline(classified: Classified) -> str:
    alpha = classified.promise.alpha
    reach = f"{classified.mean_level:.1f} of {classified.tree.depth} levels on average"
    if alpha is None:
        return f"Items reach {reach}; nothing is promised about their errors."
    return f"Items reach {reach}, with at most {100 * alpha:g} % of them wrong."


def _facts(classified: Classified) -> list[tuple[str, str]]:
    made = classified.promise
    facts = [("mean level", f"{classified.mean_level:.2f} of {classified.tree.depth}"), ("floor", written(made.floor))]
    facts += [(f"floor below {classified.tree.names[top]}", written(floor)) for top, floor in made.branches.items()]
    if made.alpha is not None:
        facts += [
            ("labels of the promise", f"{made.labels:,}"),
            ("labels that chose", f"{made.tuning:,}"),
            ("their errors at the floor", percent(made.error)),
            ("their mean level", f"{made.depth:.2f}"),
        ]
    return facts


def _card(classified: Classified, at: int) -> dict[str, Any]:
    names, level = classified.tree.names, int(classified.level[at])
    pairs = zip(classified.path[at].tolist(), classified.confidence[at].tolist(), strict=True)
    rungs = [(names[label], sure, depth <= level) for depth, (label, sure) in enumerate(pairs, 1) if label >= 0]
    return {"item": classified.items[at], "picture": _picture(classified, at), "rungs": rungs, "level": level}


def _picture(classified: Classified, at: int) -> "Thumbnail | None":
    from hiergeo.report.ladders import thumbnail

    image = classified.images[at] if classified.images else None
    return None if image is None else thumbnail(image)
