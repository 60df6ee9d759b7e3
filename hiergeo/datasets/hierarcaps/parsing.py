"""From the cells of a table to chains of captions, keeping account of every cell that is no chain or image."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hiergeo.datasets._base import TIERS, Row
from hiergeo.datasets.hierarcaps.published import IMAGE_COLUMN, Published
from hiergeo.datasets.hierarcaps.table import Table

_COCO = re.compile(r"/COCO_val2014_(\d{12})\.jpg$")


@dataclass(frozen=True)
class Defect:
    """Something wrong in a file, in one of its rows (counted from 0, as `Row.row_id`), in one of its columns."""

    file: str
    row: int | None
    column: str | None
    problem: str

    def __str__(self) -> str:
        row = "" if self.row is None else f", data row {self.row} (the first is 0)"
        column = "" if self.column is None else f", column {self.column}"
        return f"{self.file}{row}{column}: {self.problem}"


@dataclass(frozen=True)
class Parsed:
    """The well-formed rows of a table, and what is wrong with the others."""

    rows: tuple[Row, ...]
    defects: tuple[Defect, ...]


def parse(table: Table, layout: Published) -> Parsed:
    """Read every record of `table` as a row of the columns that `layout` names."""
    missing = [name for name in layout.columns if name not in table.header]
    if missing:
        found = ", ".join(table.header)
        return Parsed((), tuple(Defect(table.file, None, name, f"missing (found: {found})") for name in missing))
    rows: list[Row] = []
    defects: list[Defect] = []
    places = [table.header.index(name) for name in layout.columns]
    for row_id, record in enumerate(table.records):
        if len(record) != len(table.header):
            problem = f"{len(record)} cells where the header names {len(table.header)}"
            defects.append(Defect(table.file, row_id, None, problem))
            continue
        *cells, url = (record[place] for place in places)
        chains = [chain(cell) for cell in cells]
        image_id = coco_id(url)
        found_here = [
            Defect(table.file, row_id, name, problem)
            for name, tiers in zip(layout.columns, chains, strict=False)
            for problem in _chain_problems(tiers)
        ]
        if layout.coco and image_id is None:
            found_here.append(Defect(table.file, row_id, IMAGE_COLUMN, f"'{url}' names no MS-COCO val2014 image"))
        if found_here:
            defects += found_here
        else:
            rows.append(Row(row_id, chains[0], chains[1] if layout.negative else None, image_id))
    return Parsed(tuple(rows), tuple(defects))


def chain(cell: str) -> tuple[str, ...]:
    """The stripped tiers of a cell such as ``animal => dog => a wet dog => A wet dog in the rain.``"""
    return tuple(tier.strip() for tier in cell.split("=>"))


def coco_id(url: str) -> int | None:
    """The number of the MS-COCO val2014 image at `url`; None for any other address."""
    match = _COCO.search(url)
    return int(match[1]) if match else None


def _chain_problems(tiers: tuple[str, ...]) -> Iterator[str]:
    if len(tiers) != TIERS:
        yield f"{len(tiers)} tier{'s' * (len(tiers) != 1)} instead of {TIERS}"
    for level, tier in enumerate(tiers):
        if not tier:
            yield f"tier {level} is empty"
