"""What figures and pages show of a comparison or a study: results by title, and one head of each geometry."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hiergeo.evaluation import Comparison, Result
from hiergeo.evaluation.protocols import SAME_RADIUS
from hiergeo.training.study import HeadRun, Study, StudyCell


class Shown(NamedTuple):
    """The head, `run`, that represents the seeds of its geometry, and where it stands in the study."""

    cell: StudyCell
    run: HeadRun


def shown(study: Study) -> tuple[Shown, ...]:
    """One head for each geometry, at its largest dimension: see `representative`."""
    largest = {cell.geometry: cell for cell in sorted(study.cells, key=lambda cell: cell.dim)}
    chosen = [largest[geometry] for geometry in dict.fromkeys(cell.geometry for cell in study.cells)]
    return tuple(Shown(cell, representative(cell)) for cell in chosen)


def representative(cell: StudyCell) -> HeadRun:
    """The run with the median validation loss (the better of the two in the middle)."""
    ordered = sorted(cell.runs, key=lambda run: run.look.validation["total"])
    return ordered[(len(ordered) - 1) // 2]


def results(source: Result | Comparison | Study | Mapping[str, Result]) -> dict[str, Result]:
    """Results by title: of a study those before training, once where radii are equal, and those of the shown heads."""
    if isinstance(source, Result):
        return {source.geometry: source}
    if isinstance(source, Comparison):
        return {result.geometry: result for result in source.results}
    if isinstance(source, Study):
        before = {f"before, {name}": result for name, result in _distinct(source.before).items()}
        return before | {f"after, {head.cell.geometry}": head.run.summary.after for head in shown(source)}
    return dict(source)


def before_and_after(study: Study) -> dict[str, Result]:
    """The results of each shown head before and after its training, by title."""
    by_title = {}
    for head in shown(study):
        by_title[f"{head.cell.geometry}, before"] = head.run.summary.before
        by_title[f"{head.cell.geometry}, after"] = head.run.summary.after
    return by_title


def _distinct(before: dict[str, Result]) -> dict[str, Result]:
    """One result, without curvature, where radii are equal in every geometry, as they are without a head."""
    first, *others = before.values()
    same = all(np.allclose(result.radii, first.radii, rtol=SAME_RADIUS, atol=0) for result in others)
    return {"every geometry": replace(first, diagnostics={})} if same else before
