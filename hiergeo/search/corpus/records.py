"""What is known of each input: the record that it is embedded, and the list of its poisoned rows."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, final

from pydantic import Field

from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT, Count
from hiergeo._core.storage.files import atomic_write_text, retire
from hiergeo.datasets.reading import Defect

INPUTS, POISONED = "inputs", "poisoned"
"""Folders of records and of lists of poisoned rows in that of the index."""

LISTED = 10_000
"""Poisoned rows of one input that are listed one by one."""


@dataclass(frozen=True)
class Done:
    """The record of an input that is embedded.

    It has items in its shards, and read rows, poisoned ones included. `complete` is False where the file broke off, and
    an unknown number of rows with it; `adopted` says whether its shards are a part of the index.
    """

    __pydantic_config__ = STRICT

    number: Count
    items: Count
    rows: Count
    poisoned: Count
    complete: bool
    seconds: float
    shards: tuple[Annotated[str, Field(pattern=r"^[0-9]+-[0-9]+$")], ...]
    adopted: bool = False


def place_of(out: Path, number: int) -> Path:
    """Where the record of an input is; the lock of the input has this name too."""
    return out / INPUTS / f"{number:06d}.json"


def write_done(out: Path, done: Done) -> None:
    """Store the record of an input, durably and at once."""
    documents.write(place_of(out, done.number), asdict(done), indent=None)


def read_done(path: Path) -> Done:
    """A record; raises InputError if it is damaged."""
    return documents.read(path, Done, hashed=True)


def all_done(out: Path) -> dict[int, Done]:
    """The records of all inputs, by number."""
    found = map(read_done, sorted((out / INPUTS).glob("[0-9]*.json")))
    return {done.number: done for done in found}


@final
class Poison:
    """Counts the rows of one input that are set aside, and lists the first of them and the one that ends the input."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.defects: list[Defect] = []
        self.rows = 0
        self.complete = True

    def add(self, found: Sequence[Defect]) -> int:
        """Take defects in order of their rows; returns how many rows they are."""
        count = sum(each.rows for each in found)
        self.rows += count
        room = max(0, LISTED - len(self.defects))
        self.defects += [*found[:room], *(each for each in found[room:] if each.ends)]
        self.complete &= not any(each.ends for each in found)
        return count

    def write(self, out: Path, number: int) -> None:
        """Write the list, one JSON object a line; without anything to list, that of an earlier run is removed."""
        place = out / POISONED / f"{number:05d}.jsonl"
        if not self.defects:
            retire(place)
            return
        lines: list[dict[str, Any]] = [
            {"input": self.name, "row": each.row, "rows": each.rows, "reason": each.reason}
            | ({"ends": True} if each.ends else {})
            for each in self.defects
        ]
        atomic_write_text(place, "".join(json.dumps(line) + "\n" for line in lines))


@final
class Allowance:
    """How many rows may be poisoned over all inputs of one worker.

    Args:
        share: of all rows, or of `LEAST` rows where there are fewer.
    """

    LEAST = 1000

    def __init__(self, share: float) -> None:
        self.share, self.rows, self.poisoned = share, 0, 0

    def count(self, rows: int, poisoned: int) -> bool:
        """Count rows and the poisoned ones among them; returns whether these are too many by now."""
        self.rows += rows
        self.poisoned += poisoned
        return self.poisoned > self.share * max(self.rows, self.LEAST)
