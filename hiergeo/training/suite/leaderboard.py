"""The table of a suite: its benchmarks, and the cells that have no numbers and why."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Json
from hiergeo._core.storage.files import path_of
from hiergeo.evaluation.findings.exports import csv_text
from hiergeo.training.suite import text
from hiergeo.training.suite.board import Board, Row
from hiergeo.training.suite.cells import DONE, FAILED, Cell, Place, read_cell
from hiergeo.training.suite.plan import SuitePlan, of_table

PLAN = "plan.json"
"""The file of the plan in the folder of a suite."""


@dataclass(frozen=True)
class Leaderboard:
    """The table of a suite.

    Attributes:
        plan: what was asked for.
        cells: those that are there.
        damaged: cells whose files are damaged, and how.
        outdated: cells whose files are of an earlier plan, which says something else of them.
    """

    plan: SuitePlan
    cells: dict[Place, Cell]
    damaged: dict[Place, str] = field(default_factory=dict)
    outdated: frozenset[Place] = frozenset()

    def __repr__(self) -> str:
        return f"<Leaderboard {self.title}: {len(self.cells)} of {len(self.plan.cells)} cells>"

    @property
    def title(self) -> str:
        """The title of the plan."""
        return self.plan.title

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every model in each of its spaces."""
        return tuple(Row(model.name, space) for model in self.plan.models for space in model.spaces)

    @cached_property
    def boards(self) -> tuple[Board, ...]:
        """One a benchmark."""
        published_as = {model.name: model.published for model in self.plan.models if model.published}
        return tuple(
            Board(
                each.title,
                {row: self.cells[place] for row in self.rows if (place := Place(*row, each.title)) in self.cells},
                published_as,
                self.plan.seed,
            )
            for each in self.plan.benchmarks
        )

    @cached_property
    def missing(self) -> dict[Place, str]:
        """Cells without numbers, and why: failed, skipped, damaged, of an earlier plan or not measured yet."""
        return dict(self._missing())

    @property
    def failed(self) -> dict[Place, str]:
        """Those that failed or whose files are damaged."""
        wrong = {place: cell.reason for place, cell in self.cells.items() if cell.status == FAILED}
        return wrong | self.damaged

    def _missing(self) -> Iterator[tuple[Place, str]]:
        for place in self.plan.cells:
            cell = self.cells.get(place)
            if place in self.damaged:
                yield place, f"damaged: {self.damaged[place]}"
            elif place in self.outdated:
                yield place, "not measured yet, its numbers are of an earlier plan"
            elif cell is None:
                yield place, "not measured yet"
            elif cell.status != DONE:
                yield place, f"{cell.status}: {cell.reason}"

    def to_markdown(self) -> str:
        """Tables in Markdown: an overview, then one a benchmark with published figures, baselines and differences."""
        return text.markdown(self.title, self.rows, self.boards, self.missing)

    def to_latex(self) -> str:
        """One tabular a benchmark for LaTeX with the package booktabs; cells without numbers, and why, as comments."""
        return text.latex(self.boards, self.missing)

    def to_csv(self) -> str:
        """One line a number: measured, difference, published or baseline; and one a cell without numbers."""
        return csv_text(text.COLUMNS, text.records(self.boards, self.missing))


def read(out: Path | str) -> Leaderboard:
    """The table of a suite, of whatever cells are there.

    Raises:
        InputError: `out` holds no suite, or its plan is damaged.
    """
    out = path_of(out)
    if not (out / PLAN).is_file():
        raise InputError(f"{out} holds no suite: there is no {PLAN} (hiergeo suite PLAN.toml --out {out}).")
    plan = of_table(read_table(out), out / PLAN)
    cells: dict[Place, Cell] = {}
    damaged: dict[Place, str] = {}
    outdated: set[Place] = set()
    for place in plan.cells:
        try:
            cell = read_cell(out, place)
        except InputError as error:
            damaged[place] = str(error)
            continue
        if cell is None:
            continue
        if cell.asked == plan.asked(place):
            cells[place] = cell
        else:
            outdated.add(place)
    return Leaderboard(plan, cells, damaged, frozenset(outdated))


def read_table(out: Path) -> dict[str, Any]:
    """The plan in the folder of a suite, as a table. Raises InputError where it is missing or damaged."""
    return documents.read(out / PLAN, dict[str, dict[str, Json]], hashed=True)["plan"]
