"""From the records of a CSV file to rows, or to what is wrong with them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hiergeo._text import one_line, shortened
from hiergeo.datasets._base import Row
from hiergeo.datasets.hierarcaps.published import IMAGE_COLUMN, Published
from hiergeo.datasets.hierarcaps.table import Table

_COCO = re.compile(r"/COCO_val2014_([0-9]{12})\.jpg$")

TIERS = 4
"""Captions in a chain of HierarCaps."""

QUOTED = 100
"""Characters of a cell that a defect quotes."""


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
        return one_line(f"{self.file}{row}{column}: {self.problem}")


def parse(table: Table, layout: Published) -> Iterator[Row | Defect]:
    """Read every record of `table` as a row of the columns that `layout` names: the row, or its defects.

    Where a column is missing or there twice, those are the only defects.
    """
    flaws = list(_header_defects(table, layout))
    if flaws:
        yield from flaws
        return
    width = len(table.header)
    places = [table.header.index(name) for name in layout.columns]
    for row_id, record in enumerate(table.records):
        if len(record) != width:
            yield Defect(table.file, row_id, None, f"{len(record)} cells where the header names {width}")
            continue
        *cells, url = (record[place] for place in places)
        chains = [chain(cell) for cell in cells]
        image_id = coco_id(url)
        unnamed = layout.coco and image_id is None
        if unnamed or not all(len(tiers) == TIERS and all(tiers) for tiers in chains):
            for name, tiers in zip(layout.columns, chains, strict=False):
                for problem in _chain_problems(tiers):
                    yield Defect(table.file, row_id, name, problem)
            if unnamed:
                yield Defect(table.file, row_id, IMAGE_COLUMN, f"'{_quoted(url)}' names no MS-COCO val2014 image")
        else:
            yield Row(row_id, chains[0], chains[1] if layout.negative else None, image_id)


def chain(cell: str) -> tuple[str, ...]:
    """The stripped tiers of a cell such as ``animal => dog => a wet dog => A wet dog in the rain.``"""
    return tuple(map(str.strip, cell.split("=>")))


def coco_id(url: str) -> int | None:
    """The number of the MS-COCO val2014 image at `url`; None for any other address."""
    match = _COCO.search(url)
    return int(match[1]) if match else None


def _header_defects(table: Table, layout: Published) -> Iterator[Defect]:
    for name in layout.columns:
        if name not in table.header:
            found = ", ".join(map(_quoted, table.header))
            yield Defect(table.file, None, name, f"missing (found: {shortened(found, 3 * QUOTED)})")
        elif table.header.count(name) > 1:
            yield Defect(table.file, None, name, "there twice")


def _quoted(cell: str) -> str:
    return shortened(one_line(cell), QUOTED)


def _chain_problems(tiers: tuple[str, ...]) -> Iterator[str]:
    if len(tiers) != TIERS:
        yield f"{len(tiers)} tier{'s' * (len(tiers) != 1)} instead of {TIERS}"
    for level, tier in enumerate(tiers[: 2 * TIERS]):
        if not tier:
            yield f"tier {level} is empty"
