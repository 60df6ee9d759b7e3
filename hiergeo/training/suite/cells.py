"""Cells of a suite: one model in one space on one benchmark, and the JSON file that holds what was measured."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import numpy as np
from pydantic import Field, FiniteFloat, PlainValidator

from hiergeo._core.errors import InputError
from hiergeo._core.records import plain
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Json, Positive, validated
from hiergeo._core.text import one_line
from hiergeo.evaluation import Result
from hiergeo.evaluation.benchmarks import Benchmark, Published
from hiergeo.evaluation.metrics import Interval, find_metric

FOLDER = "cells"
"""The folder of cells in that of a suite."""

Status = Literal["done", "failed", "skipped"]

T = TypeVar("T")


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


Numbers = Annotated[np.ndarray, PlainValidator(lambda values: np.array(validated(tuple[FiniteFloat, ...], values)))]
"""A row of finite numbers, in JSON a list."""


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
        metrics: metric -> value; those of the task are finite.
        intervals: metric -> its 95 % interval.
        draws: metric -> (samples,) bootstrap values.
        rows: metric -> the values of its items, for sign tests.
        items: metric -> number of rows that were resampled.
        effective: metric whose rows share captions -> how many independent ones would be as precise.
        baselines: metric -> baseline by name -> value.
        left_out: metric that was not measured -> why.
        diagnostics: numbers about the space.
        settings: model, geometry, root, device, versions and what else the result stores.
        seconds: that measuring took.
    """

    __pydantic_config__ = STRICT

    place: Annotated[Place, Field(alias="cell")]
    task: TaskFacts
    protocol: str
    status: Status
    reason: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    diagnostics: Mapping[str, float | None] = field(default_factory=dict)
    fingerprint: str = ""
    work: str = ""
    asked: str = ""
    seconds: float = 0.0
    items: Mapping[str, Positive] = field(default_factory=dict)
    effective: Mapping[str, FiniteFloat] = field(default_factory=dict)
    rows: Mapping[str, Numbers] = field(default_factory=dict, repr=False)
    draws: Mapping[str, Numbers] = field(default_factory=dict, repr=False)

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
        draws = {name: values for name, values in result.draws.items() if np.isfinite(values).all()}
        return replace(
            self,
            metrics=plain(result.metrics),
            intervals={name: each for name, each in result.intervals.items() if np.isfinite(each).all()},
            draws=draws,
            rows={name: each for name, each in result.rows.items() if name in draws},
            items={name: count for name, count in result.items.items() if name in draws},
            effective={name: count for name, count in result.effective.items() if name in draws},
            baselines=plain(result.baselines),
            left_out=result.left_out,
            diagnostics=plain(result.diagnostics),
            settings=plain(result.settings),
            seconds=round(seconds, 3),
        )

    def result(self, metrics: Iterable[str]) -> Result:
        """Its numbers in some metrics as a result."""
        wanted = [name for name in metrics if self.metrics.get(name) is not None]

        def chosen(values: Mapping[str, T]) -> dict[str, T]:
            return {name: values[name] for name in wanted if name in values}

        return Result(
            metrics={name: value for name, value in chosen(self.metrics).items() if value is not None},
            settings=dict(self.settings),
            diagnostics={name: value for name, value in self.diagnostics.items() if value is not None},
            draws=chosen(self.draws),
            rows=chosen(self.rows),
            items=chosen(self.items),
            bounds=chosen(self.intervals),
            effective=chosen(self.effective),
            baselines={
                metric: {name: value for name, value in of_metric.items() if value is not None}
                for metric, of_metric in chosen(self.baselines).items()
            },
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = asdict(self)
        place = values.pop("place")._asdict()
        arrays = {key: {name: array.tolist() for name, array in values[key].items()} for key in ("rows", "draws")}
        return {"cell": place, **values, **arrays}


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
    lengths = {len(each) for each in cell.draws.values()}
    if cell.place != place or len(lengths) > 1 or 0 in lengths:
        raise InputError(f"{path} is damaged: it is of another cell, or its resamples do not fit each other.")
    return cell
