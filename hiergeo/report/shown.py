"""What figures and pages show of a comparison or a study: results by title, and one head of each geometry."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hiergeo.evaluation import Comparison, Embedded, Result
from hiergeo.evaluation.protocols import SAME_RADIUS
from hiergeo.geometry import Space, parse
from hiergeo.training.study import HeadRun, Study, StudyCell
from hiergeo.training.summary import behind_head


@dataclass(frozen=True, eq=False)
class Shown:
    """The head that represents the seeds of its geometry.

    Attributes:
        cell: its geometry and dimension.
        run: the head.
        frozen: the test data without it.
    """

    cell: StudyCell
    run: HeadRun
    frozen: Embedded

    @cached_property
    def embedded(self) -> Embedded:
        """The test data behind the head."""
        return behind_head(self.frozen, self.run.trained.head, f"head@{self.frozen.model}")

    @cached_property
    def space(self) -> Space:
        """Its geometry, with whatever curvature was learnt, around its root."""
        return Space(self.run.trained.geometry, self.embedded.root)


def shown(study: Study) -> tuple[Shown, ...]:
    """One head for each geometry, at its largest dimension: see `representative`."""
    largest = {cell.geometry: cell for cell in sorted(study.cells, key=lambda cell: cell.dim)}
    chosen = [largest[geometry] for geometry in dict.fromkeys(cell.geometry for cell in study.cells)]
    return tuple(Shown(cell, representative(cell), study.frozen) for cell in chosen)


def representative(cell: StudyCell) -> HeadRun:
    """The run with the median validation loss (the better of the two in the middle)."""
    ordered = sorted(cell.runs, key=validation_loss)
    return ordered[(len(ordered) - 1) // 2]


def validation_loss(run: HeadRun) -> float:
    """Validation loss of the best state."""
    return run.look.validation["total"]


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


def spaces(source: Comparison | Study) -> dict[str, tuple[Embedded, Space]]:
    """Data and their spaces by title: of a study the frozen model and the shown heads."""
    if isinstance(source, Comparison):
        root = source.embedded.root
        return {result.geometry: (source.embedded, Space(result.geometry, root)) for result in source.results}
    heads = shown(source)
    spec = heads[0].cell.geometry
    unheaded = Space(parse(source.before[spec].geometry), source.frozen.root)
    before = {f"before, {spec}": (source.frozen, unheaded)}
    return before | {head.cell.geometry: (head.embedded, head.space) for head in heads}


def _distinct(before: dict[str, Result]) -> dict[str, Result]:
    """One result, without curvature, where radii are equal in every geometry, as they are without a head."""
    first, *others = before.values()
    same = all(np.allclose(result.radii, first.radii, rtol=SAME_RADIUS, atol=0) for result in others)
    return {"every geometry": replace(first, diagnostics={})} if same else before
