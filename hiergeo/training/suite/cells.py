"""Cells of a suite: one model in one space on one benchmark, and the JSON file that holds what was measured."""

import math
import re
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT
from hiergeo._core.text import one_line
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks import Benchmark, Published
from hiergeo.evaluation.metrics import find_metric

FOLDER = "results"
"""The folder of cells in that of a suite; version 0.2 wrote others into ``cells``, which are measured again."""

Status = Literal["done", "failed", "skipped"]


class Place(NamedTuple):
    """Which cell: the names of model, space and benchmark in the plan."""

    model: str
    space: str
    benchmark: str

    @property
    def file(self) -> str:
        """The name of its file: readable, and different for every cell."""
        readable = "--".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.")[:40] for part in self)
        return f"{readable}--{sha256(repr(tuple(self)).encode()).hexdigest()[:8]}.json"


@dataclass(frozen=True)
class TaskFacts:
    """What a cell keeps of its benchmark.

    Attributes:
        label: name for tables.
        primary: the metric that tables show first.
        metrics: the metrics that tables show.
        published: figures of papers.
    """

    __pydantic_config__ = STRICT

    label: str
    primary: str
    metrics: tuple[str, ...]
    published: tuple[Published, ...] = ()

    @classmethod
    def of(cls, benchmark: Benchmark) -> "TaskFacts":
        """Those of a benchmark."""
        return cls(benchmark.label, benchmark.primary, tuple(benchmark.metrics), tuple(benchmark.published))


@dataclass(frozen=True)
class Cell:
    """What became of a cell.

    Attributes:
        place: which one.
        task: its benchmark.
        protocol: how the numbers are made.
        status: ``done``, ``failed``, or ``skipped`` where the benchmark does not apply to the model, or the model or
            the data is optional and not there.
        reason: why it failed or was skipped; empty where it was measured.
        work: hash of everything that the numbers depend on; empty where it was not measured.
        asked: hash of what the plan says of the cell.
        fingerprint: of the model.
        result: its finite numbers, with draws and the values of single items; None where it was not measured.
        seconds: that measuring took.
    """

    __pydantic_config__ = STRICT

    place: Annotated[Place, Field(alias="cell")]
    task: TaskFacts
    protocol: str
    status: Status
    reason: str = ""
    fingerprint: str = ""
    work: str = ""
    asked: str = ""
    seconds: float = 0.0
    result: Result | None = field(default=None, repr=False)

    def without(self, status: Status, reason: str) -> "Cell":
        """This cell, which has no numbers yet, for a reason."""
        return replace(self, status=status, reason=one_line(reason), work="")

    def measured(self, result: Result, seconds: float) -> "Cell":
        """The cell with the numbers of a result.

        It fails where a metric of its task, or a resample of one, is NaN or infinite; other such numbers are left out.
        """
        wrong = [name for name in self.task.metrics if not _finite(result, name)]
        if wrong:
            value = result.metrics[wrong[0]]
            defect = f"is {value}" if not math.isfinite(value) else "is NaN or infinite in some resamples"
            return self.without("failed", f"{find_metric(wrong[0]).label} {defect}")
        return replace(self, result=result.of(result.metrics), seconds=round(seconds, 3))

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = asdict(replace(self, result=None))
        place = values.pop("place")._asdict()
        return {"cell": place, **values, "result": None if self.result is None else self.result.stored()}


def _finite(result: Result, name: str) -> bool:
    """Whether a metric and its resamples are finite; true for one that the result does not have."""
    value = result.metrics.get(name, 0.0)
    return math.isfinite(value) and (name not in result.draws or bool(np.isfinite(result.draws[name]).all()))


def read_cell(out: Path, place: Place) -> Cell | None:
    """The cell of a suite's folder; None where there is none.

    Raises:
        InputError: its file is damaged, or of another cell.
    """
    path = out / FOLDER / place.file
    if not path.exists():
        return None
    cell = documents.read(path, Cell, hashed=True)
    lengths = set() if cell.result is None else {len(each) for each in cell.result.draws.values()}
    if cell.place != place or (cell.result is None) == (cell.status == "done") or len(lengths) > 1 or 0 in lengths:
        raise InputError(f"{path} is damaged: it is of another cell, or its resamples do not fit each other.")
    return cell
