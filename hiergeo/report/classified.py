"""The page of items in a tree of labels: what is promised, how deep they come, and the least sure of them first."""

from pathlib import Path

import numpy as np

from hiergeo._core.records import percent
from hiergeo._core.text import without_folders
from hiergeo.evaluation.answers import Conclusion
from hiergeo.evaluation.classifying import Classified
from hiergeo.evaluation.classifying.promise import written
from hiergeo.report.ladders import thumbnail
from hiergeo.report.page import spaced, write_html
from hiergeo.report.summary import DotPlots

SHOWN = 48
"""Items that a page shows."""


def write_classified(classified: Classified, path: Path, *, items: int = SHOWN) -> Path:
    """Write one HTML file that needs nothing else: at most `items` of them, the least sure first.

    Raises:
        UnavailableError: the file cannot be written.
    """
    tree, made, depth, count = classified.tree, classified.promise, classified.tree.depth, len(classified.items)
    confidence, level, counts = (
        classified.confidence,
        classified.level,
        np.bincount(classified.level, minlength=depth + 1),
    )
    about = {name: str(value) for name, value in classified.settings.items()}
    wrong = "nothing is promised about their errors."
    if made.alpha is not None:
        wrong = f"at most {100 * made.alpha:g} % of their labels are wrong, on average over exchangeable items."
    facts = [("mean level", f"{level.mean():.2f} of {depth}"), ("floor", written(made.floor))]
    facts += [(f"floor below {tree.names[top]}", written(floor)) for top, floor in made.branches.items()]
    if made.alpha is not None:
        facts += [
            ("labels of the promise", f"{made.labels:,}"),
            ("labels that chose", f"{made.tuning:,}"),
            ("their errors at the floor", percent(made.error)),
            ("their mean level", f"{made.depth:.2f}"),
        ]
    return write_html(
        path,
        "classified.html",
        picture=DotPlots((), ""),
        title=f"{count:,} items in a tree of {len(tree):,} labels",
        kicker=("classify", without_folders(about["model"]), about["geometry"], about["method"]),
        conclusion=Conclusion(f"Items reach {level.mean():.1f} of {depth} levels; {wrong}"),
        promise=made,
        facts=facts,
        levels=[(at or "root", f"{n:,}", percent(n / count), n / counts.max()) for at, n in enumerate(counts)],
        curve=[(percent(e), f"{at:.2f}", percent(at / depth), at / depth) for e, at in made.curve.items()],
        shown=[_card(classified, int(at), confidence[at].tolist()) for at in classified.least_sure[:items]],
        count=count,
        settings=spaced(classified.settings),
    )


def _card(classified: Classified, at: int, confidence: list[float]) -> dict[str, object]:
    level = int(classified.level[at])
    image = classified.images[at] if classified.images else None
    rungs = zip(classified.path[at].tolist(), confidence, strict=True)
    return {
        "item": ": ".join((*classified.ids[at : at + 1], classified.items[at])),
        "picture": None if image is None else thumbnail(image),
        "rungs": [
            (classified.tree.names[label], sure, f"{sure:.3f}" if sure < 0.9995 else "> 0.999", depth <= level)
            for depth, (label, sure) in enumerate(rungs, 1)
            if label >= 0
        ],
        "level": level,
    }
