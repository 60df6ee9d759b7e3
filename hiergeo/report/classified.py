"""The page of items in a tree of labels: what is promised, how deep they come, and the least sure of them first."""

from pathlib import Path
from typing import TYPE_CHECKING

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
    tree, made, depth = classified.tree, classified.promise, classified.tree.depth
    level, counts = classified.level, np.bincount(classified.level, minlength=depth + 1)
    order, count = classified.least_sure[:items], len(classified.items)
    chosen = (classified.path[order].tolist(), classified.confidence[order].tolist(), classified.odds[order].tolist())
    cards = [
        {
            "item": classified.items[at],
            "picture": _picture(classified, at),
            "rungs": [
                (tree.names[label], sure, written(of), depth <= level[at])
                for depth, (label, sure, of) in enumerate(zip(labels, sures, odds, strict=True), 1)
                if label >= 0
            ],
            "level": int(level[at]),
        }
        for at, labels, sures, odds in zip(order.tolist(), *chosen, strict=True)
    ]
    about = {name: str(value) for name, value in classified.settings.items()}
    reach = f"Items reach {level.mean():.1f} of {depth} levels on average"
    none = "; nothing is promised about their errors."
    wrong = none if made.alpha is None else f", with at most {100 * made.alpha:g} % wrong."
    return write_html(
        path,
        "classified.html",
        picture=DotPlots((), ""),
        title=f"{count:,} items in a tree of {len(tree):,} labels",
        kicker=("classify", without_folders(about["model"]), about["geometry"], about["method"]),
        conclusion=Conclusion(reach + wrong),
        promise=made,
        facts=_facts(classified),
        levels=[(at or "root", f"{n:,}", percent(n / count), n / counts.max()) for at, n in enumerate(counts)],
        curve=[(percent(e), f"{at:.2f}", percent(at / depth), at / depth) for e, at in made.curve.items()],
        shown=cards[:SHOWN],
        folded=cards[SHOWN:],
        count=count,
        settings=spaced(classified.settings),
    )


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


def _picture(classified: Classified, at: int) -> "Thumbnail | None":
    from hiergeo.report.ladders import thumbnail

    image = classified.images[at] if classified.images else None
    return None if image is None else thumbnail(image)
