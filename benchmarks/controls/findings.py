"""What a control found: settings, rows of numbers, and both as Markdown and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.report import table

Cell = float | int | str
Row = Mapping[str, Cell]


@dataclass
class Findings:
    """Tables of one control.

    Attributes:
        name: of the control.
        settings: what was asked for.
        tables: title -> rows; the keys of the first row are the heads.
        notes: sentences that a reader needs beside the tables.
    """

    name: str
    settings: dict[str, object]
    tables: dict[str, list[Row]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, title: str, row: Row) -> None:
        """One more row of a table."""
        self.tables.setdefault(title, []).append(row)

    def to_markdown(self) -> str:
        parts = [f"### {title}\n\n{_markdown(rows)}" for title, rows in self.tables.items()]
        return "\n\n".join([*parts, *self.notes]) + "\n"

    def to_json(self) -> str:
        document = {"control": self.name, "settings": self.settings, "tables": self.tables, "notes": self.notes}
        return json.dumps(document, indent=2)

    def write(self, folder: Path | None) -> None:
        """NAME.json and NAME.md in `folder`, if there is one."""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{self.name}.json").write_text(self.to_json(), encoding="utf-8")
            (folder / f"{self.name}.md").write_text(self.to_markdown(), encoding="utf-8")


def _markdown(rows: Sequence[Row]) -> str:
    return table(list(rows[0]), [[_written(cell) for cell in row.values()] for row in rows])


def _written(cell: Cell) -> str:
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)
