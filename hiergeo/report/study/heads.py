"""The head of each geometry that the figures show, and the test data as it embeds them."""

from dataclasses import dataclass

from hiergeo.evaluation.embedded import Embedded
from hiergeo.geometry import Space
from hiergeo.study import Cell, Run, Study
from hiergeo.training.summary import behind_head


@dataclass(frozen=True)
class Shown:
    """A head that stands for the seeds of its geometry.

    Attributes:
        cell: its geometry and dimension.
        run: the head.
        embedded: the test data behind it.
        space: its geometry, with whatever curvature was learnt, around its root.
    """

    cell: Cell
    run: Run
    embedded: Embedded
    space: Space


def shown(study: Study) -> tuple[Shown, ...]:
    """One head a geometry, in the largest dimension that it was trained in: see `representative`."""
    largest = {cell.geometry: cell for cell in sorted(study.cells, key=lambda cell: cell.dim)}
    return tuple(_shown(study, largest[geometry]) for geometry in dict.fromkeys(cell.geometry for cell in study.cells))


def representative(cell: Cell) -> Run:
    """The run of the middle validation loss, the better of two in the middle: neither the best seed nor the worst."""
    ordered = sorted(cell.runs, key=validation_loss)
    return ordered[(len(ordered) - 1) // 2]


def validation_loss(run: Run) -> float:
    """Of the state that was kept."""
    return next(look.validation["total"] for look in run.trained.history if look.step == run.trained.best)


def _shown(study: Study, cell: Cell) -> Shown:
    run = representative(cell)
    embedded = behind_head(study.frozen, run.trained.head, f"head@{study.frozen.model}")
    return Shown(cell, run, embedded, Space(run.trained.geometry, embedded.root))
