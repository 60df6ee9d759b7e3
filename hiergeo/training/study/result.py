"""What a study returns: every head of every geometry on the same data, and what their differences amount to."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from hiergeo._core.records import Exported, Figure, Grid, Record, json_text, minus, number, paragraphs, signed
from hiergeo._core.text import listing, shortened
from hiergeo.evaluation import Result
from hiergeo.evaluation.comparison import HEADLINE
from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.experiment import FLAT_BEND, BeforeAfter, Board, Caution, Conclusion, Run
from hiergeo.evaluation.metrics import find_metric
from hiergeo.evaluation.metrics.registry import omissions
from hiergeo.evaluation.result import record
from hiergeo.training import EvalRecord, Summary, Trained
from hiergeo.training.study.design import StudyPlan, StudySettings
from hiergeo.training.trainer import at_step

DRIFT = ("similarity_change", "similarity_correlation")
"""Metrics of how far a head moved the embeddings: neither more nor less of it is better."""

NO_HEAD = "no head"
"""What tables call the frozen model."""

PAIRS = ("auroc", "average_precision", "score_ties")
"""How the names of metrics of pairs begin, which are measured on the chains that were set aside."""

ENOUGH_SEEDS = 5
"""Seeds from which on a study without decided differences may conclude that there is none."""

COLLAPSE = {"crowded cones": ("in_cone_random", 0.9), "half-spaces": ("aperture_root", 0.5)}
"""Sign of collapse -> diagnostic, and the value above which it shows."""

EQUAL_RADII, FLAT_SPREAD = "equal radii", 1.1
"""A sign of collapse, and the ratio of the largest to the smallest tier mean below which it shows."""


def _is_of_pairs(metric: str) -> bool:
    return metric.startswith(PAIRS)


@dataclass(frozen=True)
class HeadRun:
    """One head, before and after on the same items; `problem` says why it failed, or is not the trained one."""

    trained: Trained = field(repr=False)
    summary: Summary = field(repr=False)
    problem: str | None = None

    @property
    def seed(self) -> int:
        """That of the recipe."""
        return self.trained.recipe.seed

    @cached_property
    def result(self) -> Result:
        """What was measured behind the head, with the drift among its metrics."""
        return replace(self.summary.after, metrics=self.summary.after.metrics | self.summary.drift)

    @property
    def look(self) -> EvalRecord:
        """The record of the best state."""
        return at_step(self.trained.history, self.trained.best)

    @property
    def beyond_the_equator(self) -> bool:
        """Whether some caption lies where the cones of a sphere widen again."""
        curvature = self.look.curvature
        reach = math.sqrt(max(curvature[0], 0)) * float(self.result.radii.max()) if len(curvature) == 1 else 0.0
        return reach > math.pi / 2


@dataclass(frozen=True)
class StudyCell:
    """One geometry at one dimension: a run for each seed, with the learning rate that the common budget chose.

    `tuning` is, by learning rate, the AUROC of pairs by the cone margin on the validation rows of a seed that is not
    among the plan's; NaN where training failed; empty where the plan has a single rate.
    """

    geometry: str
    dim: int
    learning_rate: float
    runs: tuple[HeadRun, ...]
    tuning: dict[float, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """Mean of every metric over the runs."""
        metrics = [run.result.metrics for run in self.runs]
        shared = [name for name in metrics[0] if all(name in of_run for of_run in metrics)]
        return {name: float(np.mean([of_run[name] for of_run in metrics])) for name in shared}

    @property
    def collapse(self) -> dict[str, int]:
        """Sign of collapse -> number of heads that show it, for signs that any head shows."""
        heads = [run.result.diagnostics for run in self.runs]
        counts = {
            sign: sum(of_head.get(name, 0.0) > most for of_head in heads) for sign, (name, most) in COLLAPSE.items()
        }
        counts[EQUAL_RADII] = sum(of_head["radius_spread"] < FLAT_SPREAD for of_head in heads)
        return {sign: count for sign, count in counts.items() if count}

    @property
    def bend(self) -> float:
        """Relative excess of sn(r) over r at the largest radius, that of largest size over the heads."""
        return max((run.result.diagnostics.get("bend", 0.0) for run in self.runs), key=abs)

    @property
    def flat(self) -> bool:
        """Whether every head measures like one in flat space although its geometry is curved."""
        return self._curved and abs(self.bend) < FLAT_BEND

    @property
    def _curved(self) -> bool:
        return any(curvature != 0 for run in self.runs for curvature in run.look.curvature)

    @property
    def facts(self) -> dict[str, str]:
        """What became of the heads, by name: collapse, curvature, learning rate, problems."""
        signs = ", ".join(f"{sign} ({count} of {len(self.runs)})" for sign, count in self.collapse.items())
        facts = {"collapse": signs or "no"}
        if self._curved:
            factors = zip(*(run.look.curvature for run in self.runs), strict=True)
            facts["curvature"] = f"K = {' and '.join(_span(factor, lambda k: minus(f'{k:.3g}')) for factor in factors)}"
            excess = "over a thousand" if abs(self.bend) >= 1e3 else signed(self.bend)
            facts["excess of circles over flat ones"] = f"{excess}{', effectively flat' if self.flat else ''}"
        if any(run.beyond_the_equator for run in self.runs):
            facts["reach"] = "beyond the equator, where cones widen again"
        ends = {min(self.tuning): "smallest", max(self.tuning): "largest"} if self.tuning else {}
        end = f", the {ends[self.learning_rate]} tried" if self.learning_rate in ends else ""
        facts["learning rate"] = f"{self.learning_rate:g}{end}"
        for run in self.runs:
            if run.problem:
                facts[f"seed {run.seed}"] = f"{run.problem}; it counts with the state of step {run.trained.best}"
        return facts


def _span(values: Sequence[float], written: Callable[[float], str]) -> str:
    """One number where all are written alike, else the two ends; empty without any."""
    return " to ".join(dict.fromkeys(map(written, (min(values), max(values))))) if values else ""


@dataclass(frozen=True, repr=False)
class Study(Exported):
    """Heads of several geometries, trained alike and measured on the same rows.

    Attributes:
        plan: what is compared.
        settings: how it was measured.
        frozen: the test data as the frozen model embeds them.
        before: geometry -> the result without a head; a product that does not fit has the Euclidean one.
        cells: geometries times dimensions, in the order of `StudyPlan.cells`.
        shared: metrics that cannot differ between the geometries.
        pairs: number of true pairs, and of false pairs of each kind, on the chains that were set aside.
        aside: where the chains come from that were set aside.
    """

    plan: StudyPlan
    settings: StudySettings
    frozen: Embedded = field(repr=False)
    before: dict[str, Result]
    cells: tuple[StudyCell, ...]
    shared: frozenset[str]
    pairs: int
    aside: str = ""

    def __repr__(self) -> str:
        dims = ", ".join(map(str, self.plan.dims))
        about = (
            f"{self.frozen.model} in {', '.join(self.plan.geometries)}, {dims} dimensions, {len(self.plan.seeds)} seeds"
        )
        return f"<Study of {about}: {shortened(self.conclusion.headline, HEADLINE)}>"

    def _repr_html_(self) -> str:
        """The conclusion and the tables."""
        said = self.conclusion.headline, *self.conclusion.remarks
        return paragraphs(*said) + super()._repr_html_() + paragraphs(self.omissions)

    @cached_property
    def board(self) -> Board:
        """Scores, contrasts of every two different spaces, and cautions."""
        runs = tuple(
            Run(cell.geometry, self.frozen.model, cell.geometry, run.result, cell.dim, run.seed)
            for cell in self.cells
            for run in cell.runs
        )
        hierarchy = self.frozen.hierarchy
        dataset = f"{hierarchy.name} {hierarchy.split}"
        return Board(runs, dataset, self.shared, self.shared, partial(_cautions, self), self.settings.seed)

    @cached_property
    def conclusion(self) -> Conclusion:
        """Whether a geometry helps; only decided contrasts count as differences."""
        board = self.board
        total, decided, seeds = len(board.contrasts), len(board.decided), len(self.plan.seeds)
        cautions = tuple(caution.message for caution in board.cautions if caution.kind != "small sample")
        if not total:
            return Conclusion("Nothing was compared: there are no two different spaces at one dimension.", cautions)
        share = f"{decided or 'none'} of {total} differences between geometries survive"
        few = f"with {seeds} seeds the study is inconclusive: " if not decided and seeds < ENOUGH_SEEDS else ""
        headline = f"{few}{share}{'' if decided > 1 else 's'} correction for multiple comparisons."
        clearest = max(board.decided or board.contrasts, key=lambda contrast: contrast.clearness)
        difference, low, high = (signed(value, 4) for value in (clearest.difference, *clearest.simultaneous))
        remark = (
            f"The clearest, {clearest.a} minus {clearest.b} in {find_metric(clearest.metric).label} at dimension "
            f"{clearest.dim}, is {difference} (simultaneous 95 % interval {low} to {high})."
        )
        same = ", ".join(find_metric(metric).label for metric in sorted(self.shared))
        equal = [f"{same} cannot differ under these losses, which do not depend on curvature."] if same else []
        return Conclusion(f"{headline[0].upper()}{headline[1:]}", (remark, *cautions, *equal))

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """Those of the frozen model, whose space is called "no head", those of the board, and facts of the heads."""
        keys = {"model": self.frozen.model, "dataset": self.board.dataset}
        for geometry, result in self.before.items():
            yield from map(self._of_aside, result.rows_of({**keys, "space": f"{geometry}, {NO_HEAD}"}, items=items))
        yield from map(self._of_aside, self.board.records(items=items))
        for cell in self.cells:
            where = {**keys, "space": cell.geometry, "dim": cell.dim}
            yield record("measured", **where, metric="learning_rate", value=cell.learning_rate)
            for run in cell.runs:
                if "bend" in run.result.diagnostics:
                    bend = run.result.diagnostics["bend"]
                    yield record("measured", **where, seed=run.seed, metric="bend", value=bend)
                for at, curvature in enumerate(run.look.curvature):
                    yield record("measured", **where, seed=run.seed, metric=f"curvature_factor{at}", value=curvature)

    def _of_aside(self, row: Record) -> Record:
        """The row, of the chains that were set aside where its metric is one of pairs."""
        return {**row, "dataset": f"{self.aside}, set aside"} if _is_of_pairs(str(row["metric"])) else row

    def grids(self, metrics: Sequence[str] | None = None) -> Iterator[Grid]:
        """Those of the board with what the frozen model reaches, and what became of the heads."""
        for dim, grid in zip(self.board.dims, self.board.grids(metrics), strict=True):
            before = [self.before[geometry].metrics for geometry in self.board.geometries(dim)]
            shown = [name for name in self.board.measured(dim) if metrics is None or name in metrics]
            rows = (
                (label, (Figure(_span([of[name] for of in before if name in of], number)), *figures))
                for name, (label, figures) in zip(shown, grid.rows, strict=True)
            )
            of_pairs = [find_metric(name).label for name in shown if _is_of_pairs(name)]
            aside = f" On chains of {self.aside} that were set aside: {listing(of_pairs)}." if of_pairs else ""
            yield replace(grid, heads=(NO_HEAD, *grid.heads), rows=tuple(rows), notes=grid.notes + aside)
        facts = {f"{cell.geometry}, {cell.dim} dimensions": cell.facts for cell in self.cells}
        heads = tuple(dict.fromkeys(name for names in facts.values() for name in names))
        rows = ((label, tuple(Figure(cell.get(name, "")) for name in heads)) for label, cell in facts.items())
        yield Grid("heads", heads, tuple(rows))

    @property
    def omissions(self) -> str:
        """What was left out of a space, before or behind its heads, and why, in words; empty where nothing was."""
        after = (run.result for cell in self.cells for run in cell.runs)
        return omissions({name: why for of in (*self.before.values(), *after) for name, why in of.left_out.items()})

    def cell(self, geometry: str, dim: int) -> StudyCell:
        """The heads of a geometry at a dimension."""
        return next(cell for cell in self.cells if (cell.geometry, cell.dim) == (geometry, dim))

    def change(self, metric: str, geometry: str, dim: int) -> BeforeAfter | None:
        """A metric before and after training; None where it was not measured both times."""
        return BeforeAfter.of(metric, self.before[geometry], self.board.results(geometry, dim))

    def to_json(self) -> str:
        """The means over seeds first, as ``GEOMETRY/dD/METRIC``; then contrasts, words, the long table, the plan."""
        cells = {f"{cell.geometry}/d{cell.dim}": cell for cell in self.cells}
        whole = {
            "metrics": {f"{name}/{key}": value for name, cell in cells.items() for key, value in cell.metrics.items()},
            "intervals": [contrast.as_dict() for contrast in self.board.contrasts],
            "conclusion": str(self.conclusion),
            "cautions": [asdict(caution) for caution in self.board.cautions],
            "facts": {name: cell.facts for name, cell in cells.items()},
            "numbers": list(self.records()),
            "plan": asdict(self.plan),
            "settings": asdict(self.settings),
        }
        return json_text(whole)


def _cautions(study: Study, board: Board) -> Iterator[Caution]:
    """Reasons to read a study with care that come from its training."""
    cells, seeds = study.cells, len(study.plan.seeds)
    if board.contrasts and not board.decided and seeds < ENOUGH_SEEDS:
        message = f"Intervals over so few seeds are wide: repeat the study with {ENOUGH_SEEDS} seeds or more."
        yield Caution("few seeds", (), message)
    winners = {(contrast.winner, contrast.dim) for contrast in board.decided}
    for cell in cells:
        if (cell.geometry, cell.dim) in winners and cell.flat:
            where = f"{cell.geometry} is effectively flat at dimension {cell.dim}"
            yield Caution("flat", (cell.geometry,), f"{where}, so its lead is not one of curvature.")
    for dim in board.dims:
        rates = {cell.geometry: cell.learning_rate for cell in cells if cell.dim == dim}
        pairs = [(c.a, c.b) for c in board.decided if c.dim == dim and rates[c.a] != rates[c.b]]
        apart = {name: rate for name, rate in rates.items() if any(name in pair for pair in pairs)}
        if apart:
            message = (
                f"At dimension {dim} the tuning chose different learning rates, "
                f"{', '.join(f'{name} ({rate:g})' for name, rate in apart.items())}: the differences between these "
                "may come from the rate and not from the geometry; repeat the study with a single rate to tell."
            )
            yield Caution("learning rates", tuple(apart), message)
    if lost := [cell for cell in cells if cell.collapse]:
        yield _of_cells("collapse", lost, "Heads show signs of collapse in {}.")
    if broken := [cell for cell in cells if any(run.problem for run in cell.runs)]:
        yield _of_cells("training", broken, "Training failed for some seeds of {}.")


def _of_cells(kind: Any, cells: Sequence[StudyCell], message: str) -> Caution:
    named = ", ".join(f"{cell.geometry} at dimension {cell.dim}" for cell in cells)
    return Caution(kind, tuple(cell.geometry for cell in cells), message.format(named))
