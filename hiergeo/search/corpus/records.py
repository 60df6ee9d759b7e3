"""What is known of each input: the record that it is embedded, and the list of the rows that were set aside."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

from pydantic import Field

from hiergeo._core.errors import InputError
from hiergeo._core.jobs import Jobs
from hiergeo._core.storage.documents import STRICT, Count, Sha256
from hiergeo._core.storage.files import atomic_write_text, retire
from hiergeo.datasets.reading import Defect

INPUTS, POISONED = "inputs", "poisoned"
"""Folders of records and of lists of rows that were set aside in that of the index."""

LISTED = 10_000
"""Rows of one input that are listed one by one."""

SHARE, LEAST = 0.01, 1000
"""How many rows may be set aside: a share of all, or of so many where there are fewer."""


@dataclass(frozen=True)
class Done:
    """The record of an input: how far it is embedded.

    It has items in its shards, and read rows, those set aside included. `complete` is False where the file broke off,
    and an unknown number of rows with it; `adopted` says whether its shards are a part of the index, `digest` what the
    rows up to there were, for inputs that are no files.
    """

    __pydantic_config__ = STRICT

    number: Count
    items: Count = 0
    rows: Count = 0
    poisoned: Count = 0
    complete: bool = True
    seconds: float = 0.0
    shards: tuple[Annotated[str, Field(pattern=r"^[0-9]+-[0-9]+$")], ...] = ()
    adopted: bool = False
    finished: bool = True
    digest: Sha256 | None = None


def jobs_of(out: Path) -> Jobs[Done]:
    """The inputs of an index as jobs."""
    return Jobs(out / INPUTS, Done)


@final
class Poison:
    """Counts the rows of one input that are set aside, and lists the first of them and the one that ends the input.

    Args:
        out: the folder of the index.
        name: of the input.
        done: how far it is; what was listed up to there is read again.
    """

    def __init__(self, out: Path, name: str, done: Done) -> None:
        self.path, self.name = out / POISONED / f"{done.number:05d}.jsonl", name
        self.rows, self.complete = done.poisoned, True
        listed = self.path.read_text().splitlines() if done.poisoned and self.path.exists() else []
        lines = map(json.loads, listed)
        self.defects = [Defect(line["row"], line["reason"], line["rows"]) for line in lines if line["row"] < done.rows]

    def add(self, defects: Sequence[Defect]) -> int:
        """Take defects in order of their rows; returns how many rows they are."""
        count = sum(defect.rows for defect in defects)
        self.rows += count
        room = max(0, LISTED - len(self.defects))
        self.defects += [*defects[:room], *(defect for defect in defects[room:] if defect.ends)]
        self.complete &= not any(defect.ends for defect in defects)
        return count

    def write(self) -> None:
        """Write the list, one JSON object a line; without anything to list, that of an earlier run is removed."""
        if not self.defects:
            retire(self.path)
            return
        lines: list[dict[str, Any]] = [
            {"input": self.name, "row": defect.row, "rows": defect.rows, "reason": defect.reason}
            | ({"ends": True} if defect.ends else {})
            for defect in self.defects
        ]
        atomic_write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))


@final
class Allowance:
    """Counts the rows of all inputs of one worker, and those that are set aside."""

    def __init__(self) -> None:
        self.rows = self.poisoned = 0

    def count(self, rows: int, poisoned: int, poison: Poison) -> None:
        """Count rows and the poisoned ones among them; raises InputError, with the last, where these are too many."""
        self.rows += rows
        self.poisoned += poisoned
        if self.poisoned > SHARE * max(self.rows, LEAST):
            last = poison.defects[-1]
            raise InputError(
                f"{self.poisoned:,} of {self.rows:,} rows cannot be used, more than {SHARE:.0%}; the last is row "
                f"{last.row} of {poison.name}: {last.reason}. All are listed in {poison.path.parent}: correct them, or "
                f"leave them out."
            )
