"""The table of a suite: a standing for each benchmark, and the cells that have no numbers and why."""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from hiergeo._core import records
from hiergeo._core.errors import InputError
from hiergeo._core.records import Exported, Figure, Grid, Record, number
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Json
from hiergeo._core.storage.files import path_of
from hiergeo._core.text import caption
from hiergeo.evaluation.benchmarks import Benchmark, Published
from hiergeo.evaluation.experiment import Board, Caution, Conclusion, Contrast, Run
from hiergeo.evaluation.metrics import find_metric
from hiergeo.evaluation.metrics.length import baseline_name
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.evaluation.result import Result, record
from hiergeo.training.suite.audits import VERDICT
from hiergeo.training.suite.cells import FOLDER, Cell, Place, read_cell
from hiergeo.training.suite.plan import SuitePlan, of_table, row_name

PLAN = "plan.json"
"""The file of the plan in the folder of a suite."""

FEW = 15
"""Contrasts of a metric that pages list in full."""

CORNER = "model and space"

READING = (
    "Values with 95 % intervals. Marked: better than every other row of the same protocol, by paired differences that "
    "hold over all rows and metrics of the benchmark. ↓: less is better. Published figures are their authors', not "
    "measured here."
)


class BoardRow(NamedTuple):
    """A row of the table: names of model and space in the plan."""

    model: str
    space: str

    def __str__(self) -> str:
        return row_name(*self)


@dataclass(frozen=True)
class Standing:
    """One benchmark of a suite, with the cells that are there by row in the order of the table.

    `published_as` is, by model, the model of published figures that it reproduces.
    """

    name: str
    task: Benchmark
    cells: dict[BoardRow, Cell]
    published_as: dict[str, str]
    seed: int

    @cached_property
    def measured(self) -> dict[BoardRow, Result]:
        """The rows that were measured."""
        return {row: cell.result for row, cell in self.cells.items() if cell.result is not None}

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are shown: those of the benchmark that some row has, and of published figures."""
        names = {name for result in self.measured.values() for name in result.metrics}
        names |= {figure.metric for figure in self.task.published}
        return tuple(name for name in self.task.metrics if name in names)

    @cached_property
    def protocols(self) -> dict[str, tuple[BoardRow, ...]]:
        """Protocol -> the rows that were measured by it."""
        grouped: dict[str, tuple[BoardRow, ...]] = {}
        for row in self.measured:
            protocol = self.cells[row].protocol
            grouped[protocol] = (*grouped.get(protocol, ()), row)
        return grouped

    @cached_property
    def boards(self) -> tuple[Board, ...]:
        """A board for each set of rows of one protocol and bootstrap; rows of different ones are not compared."""
        groups: dict[Hashable, list[Run]] = {}
        for row, result in self.measured.items():
            cell, samples = self.cells[row], next((len(draws) for draws in result.draws.values()), 0)
            run = Run(str(row), row.model, row.space, result.of(self.metrics), fingerprint=cell.fingerprint)
            groups.setdefault((cell.protocol, samples, result.settings.get("seed")), []).append(run)
        return tuple(Board(tuple(runs), self.name, resampling=self.seed) for runs in groups.values())

    def board(self, row: BoardRow) -> Board | None:
        """The board that a row is on; None where it was not measured."""
        return next((board for board in self.boards if str(row) in board.labels), None)

    def is_best(self, row: BoardRow, metric: str) -> bool:
        """Whether a row is better than every other row over the same items, all intervals holding simultaneously."""
        board = self.board(row)
        return board is not None and board.is_best(metric, str(row), 0)

    def leading(self, metric: str) -> tuple[Contrast, ...]:
        """The contrasts that pages list: all where they are few, otherwise those of the best row, seen from it."""
        contrasts = tuple(contrast for board in self.boards for contrast in board.contrasts_of(metric, 0))
        if len(contrasts) <= FEW:
            return contrasts
        better = min if find_metric(metric).higher_is_better is False else max
        values = {str(row): result.metrics[metric] for row, result in self.measured.items() if metric in result.metrics}
        best = better(values, key=values.__getitem__)
        return tuple(contrast.seen_from(best) for contrast in contrasts if best in (contrast.a, contrast.b))

    @property
    def verdicts(self) -> dict[BoardRow, str]:
        """Row -> a verdict in words, of benchmarks that give one."""
        measured = self.measured.items()
        return {row: str(result.settings[VERDICT]) for row, result in measured if VERDICT in result.settings}

    @cached_property
    def published(self) -> dict[str, tuple[Published, ...]]:
        """Model of published figures -> its figures."""
        figures: dict[str, tuple[Published, ...]] = {}
        for figure in self.task.published:
            figures[figure.model] = (*figures.get(figure.model, ()), figure)
        return figures

    def published_for(self, row: BoardRow, metric: str) -> Published | None:
        """The published figure that stands beside a measured one: of the model that the row reproduces."""
        figures = self.published.get(self.published_as.get(row.model, ""), ())
        return next((figure for figure in figures if figure.metric == metric), None)

    @cached_property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Baseline by name, such as ``chance`` or ``length`` -> metric -> what it reaches, in the row where it does
        best."""
        reached: dict[str, dict[str, float]] = {}
        for board in self.boards:
            for metric in self.metrics:
                for name, value in board.baselines(metric, 0).items():
                    reached.setdefault(name, {}).setdefault(metric, value)
        return reached

    @property
    def omissions(self) -> str:
        """Metrics of the benchmark that were left out of some row and why, in words; empty where none was."""
        reasons = {name: why for result in self.measured.values() for name, why in result.left_out.items()}
        return omissions({name: why for name, why in reasons.items() if name in self.task.metrics})

    @cached_property
    def cautions(self) -> tuple[Caution, ...]:
        """Reasons to read the benchmark with care."""
        return tuple(dict.fromkeys(caution for board in self.boards for caution in board.cautions))

    def figure(self, row: BoardRow, metric: str) -> Figure:
        """A metric of a row with the published figure beside it; or why there is none."""
        board = self.board(row)
        score = None if board is None else board.score(metric, str(row), 0)
        if score is None:
            cell = self.cells.get(row)
            return Figure("not measured yet" if cell is None else "" if cell.status == "done" else cell.status)
        shown = score.figure(self.is_best(row, metric))
        reported = self.published_for(row, metric)
        return shown if reported is None else replace(shown, note=f"published {reported.value:g}")

    def grid(self) -> Grid:
        """Rows down and metrics across, then published figures and baselines."""
        rows = [(str(row), tuple(self.figure(row, metric) for metric in self.metrics)) for row in self.cells]
        for model, figures in self.published.items():
            values = {figure.metric: f"{figure.value:g}" for figure in figures}
            rows.append((f"published: {model}", tuple(Figure(values.get(metric, "")) for metric in self.metrics)))
        for name, reached in self.baselines.items():
            figures_of = (Figure(number(reached[metric]) if metric in reached else "") for metric in self.metrics)
            rows.append((f"baseline: {baseline_name(name)}", tuple(figures_of)))
        heads = tuple(find_metric(metric).heading for metric in self.metrics)
        return Grid(CORNER, heads, tuple(rows), " ".join(self._notes()), self.name)

    def _notes(self) -> Iterator[str]:
        for protocol, rows in self.protocols.items():
            of = "" if len(self.protocols) == 1 else f" ({', '.join(map(str, rows))})"
            yield f"Protocol{of}: {protocol}."
        yield from (f"{row}: {verdict}" for row, verdict in self.verdicts.items())
        figures = [figure for of_model in self.published.values() for figure in of_model]
        sources = dict.fromkeys(f"{f.source}{f' ({f.protocol})' if f.protocol else ''}" for f in figures)
        if sources:
            yield f"Published figures: {'; '.join(sources)}."
        yield from (caution.message for caution in self.cautions)

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """The rows of the boards, and published figures."""
        for board in self.boards:
            yield from board.records(items=items)
        for figures in self.published.values():
            yield from (figure.record(self.name) for figure in figures)


@dataclass(frozen=True)
class Leaderboard(Exported):
    """The table of a suite.

    Attributes:
        plan: what is measured.
        cells: those that are there; one whose file is damaged has failed.
    """

    plan: SuitePlan
    cells: dict[Place, Cell]

    def __repr__(self) -> str:
        return f"<Leaderboard {self.plan.title}: {len(self.cells)} of {len(self.plan.cells)} cells>"

    @cached_property
    def conclusion(self) -> Conclusion:
        """Which row is ahead of every other one in the first metric of most benchmarks."""
        standings = [standing for standing in self.standings if standing.measured]
        if not standings:
            return Conclusion("Nothing has been measured yet.")
        led = Counter(
            row for standing in standings for row in standing.measured if standing.is_best(row, standing.task.primary)
        )
        several = len(standings) > 1
        of = f"{len(standings)} benchmarks" if several else f"the benchmark {caption(standings[0].name)}"
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
    def standings(self) -> tuple[Standing, ...]:
        """One a benchmark."""
        published_as = {model.name: model.published for model in self.plan.models if model.published}
        cells = self.cells.items()
        return tuple(
            Standing(
                benchmark.title,
                benchmark.task,
                {BoardRow(*key[:2]): cell for key, cell in cells if key.benchmark == benchmark.title},
                published_as,
                self.plan.seed,
            )
            for benchmark in self.plan.benchmarks
        )

    @cached_property
    def missing(self) -> dict[Place, str]:
        """Cells without numbers, and why: failed, skipped or not measured yet."""
        reasons = {key: f"{cell.status}: {cell.reason}" for key, cell in self.cells.items()}
        measured = {key for key, cell in self.cells.items() if cell.status == "done"}
        return {key: reasons.get(key, "not measured yet") for key in self.plan.cells if key not in measured}

    @property
    def failed(self) -> dict[Place, str]:
        """Those that failed, and why."""
        return {key: cell.reason for key, cell in self.cells.items() if cell.status == "failed"}

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """The rows of every benchmark, and one a cell without numbers, whose kind and source say why."""
        for standing in self.standings:
            yield from standing.records(items=items)
        for key, reason in self.missing.items():
            kind = reason.partition(":")[0] if ":" in reason else "missing"
            yield record(kind, model=key.model, space=key.space, dataset=key.benchmark, source=reason)

    def overview(self) -> Grid:
        """The first metric of every benchmark."""
        first = [(standing, standing.task.primary) for standing in self.standings]
        heads = tuple(f"{standing.name}: {find_metric(metric).heading}" for standing, metric in first)
        rows = ((str(row), tuple(standing.figure(row, metric) for standing, metric in first)) for row in self.rows)
        return Grid(CORNER, heads, tuple(rows), READING, "First metric of every benchmark")

    def grids(self) -> Iterator[Grid]:
        """An overview of several benchmarks, a table each, and the cells without numbers."""
        if len(self.standings) > 1:
            yield self.overview()
        yield from (standing.grid() for standing in self.standings if standing.cells)
        if self.missing:
            rows = tuple((" · ".join(key), (Figure(why),)) for key, why in self.missing.items())
            yield Grid("cell", ("why",), rows, title="Cells without numbers")

    def to_markdown(self) -> str:
        """The title and the tables."""
        return f"# {records.escaped(self.plan.title)}\n\n{super().to_markdown()}\n"

    def to_json(self) -> str:
        """The title, and the rows of :meth:`to_csv` as objects, unrounded."""
        return records.json_text({"title": self.plan.title, "numbers": list(self.records())})


def read(out: Path | str) -> Leaderboard:
    """The table of a suite, of whatever cells are there.

    Raises:
        InputError: `out` holds no suite, or its plan is damaged.
    """
    out = path_of(out)
    if not (out / PLAN).is_file():
        raise InputError(f"{out} holds no suite: there is no {PLAN} (hiergeo suite PLAN.toml --out {out}).")
    plan = of_table(documents.read(out / PLAN, dict[str, dict[str, Json]], hashed=True)["plan"], out / PLAN)
    cells = ((key, _cell(out / FOLDER / key.file, key)) for key in plan.cells)
    return Leaderboard(plan, {key: cell for key, cell in cells if cell and cell.plan in ("", plan.digest(key))})


def _cell(path: Path, key: Place) -> Cell | None:
    try:
        return read_cell(path) if path.exists() else None
    except InputError as error:
        return Cell(key, "failed", reason=str(error))
