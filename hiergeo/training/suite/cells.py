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
class Cell:
    """What became of a cell.

    Attributes:
        key: which one.
        status: ``done``, ``failed``, or ``skipped`` where the benchmark does not apply to the model, or the model or
            the data is optional and not there.
        protocol: how the numbers are made; empty where the model was not loaded.
        reason: why it failed or was skipped; empty where it was measured.
        work: hash of everything that the numbers depend on; empty where it was not measured.
        plan: hash of what the plan says of the cell.
        fingerprint: of the model.
        result: its finite numbers, with draws and the values of single items; None where it was not measured.
        seconds: that measuring took.
    """

    __pydantic_config__ = STRICT

    key: Annotated[Place, Field(alias="cell")]
    status: Status
    protocol: str = ""
    reason: str = ""
    fingerprint: str = ""
    work: str = ""
    plan: str = ""
    seconds: float = 0.0
    result: Result | None = field(default=None, repr=False)

    def without(self, status: Status, reason: str) -> "Cell":
        """This cell, which has no numbers, for a reason."""
        return replace(self, status=status, reason=one_line(reason), work="")

    def measured(self, result: Result, shown: tuple[str, ...], seconds: float) -> "Cell":
        """The cell with the numbers of a result.

        It fails where a metric that is shown, or a resample of one, is NaN or infinite; other such numbers are left
        out.
        """
        for name in shown:
            value = result.metrics.get(name, 0.0)
            if not math.isfinite(value):
                return self.without("failed", f"{find_metric(name).label} is {value}")
            if not np.isfinite(result.draws.get(name, 0.0)).all():
                return self.without("failed", f"{find_metric(name).label} is NaN or infinite in some resamples")
        return replace(self, status="done", result=result.of(result.metrics), seconds=round(seconds, 3))

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = asdict(replace(self, result=None))
        key = values.pop("key")._asdict()
        return {"cell": key, **values, "result": None if self.result is None else self.result.stored()}


def read_cell(path: Path) -> Cell:
    """The cell in a file.

    Raises:
        InputError: the file is damaged, or of another cell.
    """
    cell = documents.read(path, Cell, hashed=True)
    lengths = set() if cell.result is None else {len(draws) for draws in cell.result.draws.values()}
    fits = cell.key.file == path.name and (cell.result is not None) == (cell.status == "done")
    if not fits or len(lengths) > 1 or 0 in lengths:
        raise InputError(f"{path} is damaged: it is of another cell, or its resamples do not fit each other.")
    return cell
