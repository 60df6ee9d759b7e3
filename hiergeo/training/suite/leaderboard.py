"""The table of a suite: its benchmarks, and the cells that have no numbers and why."""

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hiergeo._core.errors import InputError
from hiergeo._core.records import csv_text, plain
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Json
from hiergeo._core.storage.files import path_of
from hiergeo._core.text import caption
from hiergeo.evaluation.findings import Conclusion
from hiergeo.training.suite import text
from hiergeo.training.suite.board import Board, BoardRow
from hiergeo.training.suite.cells import Cell, Place, read_cell
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
    def conclusion(self) -> Conclusion:
        """Which row is ahead of every other one in the first metric of most benchmarks."""
        boards = [board for board in self.boards if board.measured and board.task is not None]
        if not boards:
            return Conclusion("Nothing has been measured yet.")
        led = Counter(
            row for board in boards for row in board.measured if board.task and board.is_best(row, board.task.primary)
        )
        several = len(boards) > 1
        of = f"{len(boards)} benchmarks" if several else f"the benchmark {caption(boards[0].name)}"
        if not led:
            return Conclusion(f"No row is ahead of every other one on {'any of ' if several else ''}{of}.")
        row, count = led.most_common(1)[0]
        which = f"{count} of {of}" if several else of
        return Conclusion(f"{caption(str(row))} is ahead of every other row on {which}.")

    @cached_property
    def rows(self) -> tuple[BoardRow, ...]:
        """Every model in each of its spaces."""
        return tuple(BoardRow(model.name, space) for model in self.plan.models for space in model.spaces)

    @cached_property
    def boards(self) -> tuple[Board, ...]:
        """One a benchmark."""
        published_as = {model.name: model.published for model in self.plan.models if model.published}
        cells = self.cells.items()
        return tuple(
            Board(
                benchmark.title,
                {BoardRow(*place[:2]): cell for place, cell in cells if place.benchmark == benchmark.title},
                published_as,
                self.plan.seed,
            )
            for benchmark in self.plan.benchmarks
        )

    @cached_property
    def missing(self) -> dict[Place, str]:
        """Cells without numbers, and why: failed, skipped, damaged, of an earlier plan or not measured yet."""
        reasons = {place: f"{cell.status}: {cell.reason}" for place, cell in self.cells.items()}
        reasons |= {place: f"damaged: {why}" for place, why in self.damaged.items()}
        reasons |= dict.fromkeys(self.outdated, "not measured yet, its numbers are of an earlier plan")
        measured = {place for place, cell in self.cells.items() if cell.status == "done"}
        return {place: reasons.get(place, "not measured yet") for place in self.plan.cells if place not in measured}

    @property
    def failed(self) -> dict[Place, str]:
        """Those that failed or whose files are damaged."""
        wrong = {place: cell.reason for place, cell in self.cells.items() if cell.status == "failed"}
        return wrong | self.damaged

    def to_markdown(self) -> str:
        """Tables in Markdown: an overview, then one a benchmark with published figures, baselines and differences."""
        return text.markdown(self.title, self.rows, self.boards, self.missing)

    def to_latex(self) -> str:
        """One tabular a benchmark for LaTeX with the package booktabs; cells without numbers, and why, as comments."""
        return text.latex(self.boards, self.missing)

    def to_csv(self) -> str:
        """One line a number: measured, difference, published or baseline; and one a cell without numbers."""
        return csv_text(dict(zip(text.COLUMNS, row, strict=True)) for row in text.records(self.boards, self.missing))

    def to_json(self) -> str:
        """The title, and the lines of :meth:`to_csv` as objects, unrounded."""
        lines = [dict(zip(text.COLUMNS, line, strict=True)) for line in text.records(self.boards, self.missing)]
        return json.dumps({"title": self.title, "numbers": plain(lines)}, indent=2, ensure_ascii=False)


def read(out: Path | str) -> Leaderboard:
    """The table of a suite, of whatever cells are there.

    Raises:
        InputError: `out` holds no suite, or its plan is damaged.
    """
    out = path_of(out)
    if not (out / PLAN).is_file():
        raise InputError(f"{out} holds no suite: there is no {PLAN} (hiergeo suite PLAN.toml --out {out}).")
    plan = of_table(documents.read(out / PLAN, dict[str, dict[str, Json]], hashed=True)["plan"], out / PLAN)
    cells: dict[Place, Cell] = {}
    damaged: dict[Place, str] = {}
    for place in plan.cells:
        try:
            if (cell := read_cell(out, place)) is not None:
                cells[place] = cell
        except InputError as error:
            damaged[place] = str(error)
    outdated = frozenset(place for place, cell in cells.items() if cell.asked != plan.asked(place))
    return Leaderboard(plan, {place: cells[place] for place in cells if place not in outdated}, damaged, outdated)
