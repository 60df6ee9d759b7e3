"""Chains read by a person: a random sample as a CSV file for a spreadsheet, and the decisions that come back in it."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.storage.files import csv_rows
from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.tables import quoted, read_table

ACCEPT, REJECT = "accept", "reject"

ID, DECISION, COMMENT = "id", "decision", "comment"


def write_sample(path: Path, chains: Hierarchy, count: int, seed: int = 0) -> int:
    """Write chains drawn at random, at most `count`, as a CSV file that a person fills in; returns how many.

    A row is a chain: its ``id`` (the `row_id`), a column for each text, and the empty columns ``decision`` and
    ``comment``. The order is random, so the first rows are a random sample too, for readers who stop early; a smaller
    sample of a seed is the beginning of a larger one.

    Raises:
        InputError: a count out of range, or the file exists and may hold decisions.
        UnavailableError: the file cannot be written.
    """
    check_whole("sample", count, 1, limits.COUNT)
    if path.exists():
        raise InputError(f"{path} exists and may hold decisions: move it away, or name another file.")
    order = np.random.default_rng(seed).permutation(len(chains.rows))[:count]
    columns = _columns(chains)
    with csv_rows(path, (ID, *columns, DECISION, COMMENT)) as write:
        for index in order:
            row = chains.rows[index]
            write((row.row_id, *_texts(row, len(columns)), "", ""))
    return len(order)


def read_decisions(path: Path, chains: Hierarchy) -> dict[int, frozenset[str]]:
    """The decisions in a file of `write_sample`: `row_id` -> the columns that are wrong; rows without one are left out.

    A decision is ``accept``, ``reject``, or the columns of the texts that are wrong: ``tier 1, negative 2``.

    Raises:
        InputError: no decision at all; or a row whose decision is none of these, whose id is not in the chains or
            occurs twice, or whose texts differ from those of the chain (the row is named).
        UnavailableError: the file does not exist or cannot be read.
    """
    decisions = dict(_decided(path, chains))
    if not decisions:
        raise InputError(f"{path} has no decision: write {ACCEPT} or {REJECT} into the column {DECISION}.")
    return decisions


def _decided(path: Path, chains: Hierarchy) -> Iterator[tuple[int, frozenset[str]]]:
    rows = {str(row.row_id): row for row in chains.rows}
    table, columns = read_table(path, "draw a sample (--sample N)"), _columns(chains)
    for index, cells in table.cells((ID, *columns, DECISION)):
        number, *texts, decision = map(_tidy, cells)
        row, wrong = rows.pop(number, None), _wrong(decision.lower(), columns)
        if row is None:
            raise table.error(index, ID, f"'{quoted(number)}' is not in {chains.name} {chains.split}, or occurs twice")
        if texts != _texts(row, len(columns)):
            raise table.error(index, None, f"the texts differ from those of chain {row.row_id}")
        if not wrong <= set(columns):
            options = f"{ACCEPT} nor {REJECT} nor a list of columns such as {columns[0]}"
            raise table.error(index, DECISION, f"'{quoted(decision)}' is neither {options}")
        if decision:
            has_negative = row.negative is not None
            yield row.row_id, wrong.intersection(columns if has_negative else columns[: chains.tiers])


def _wrong(decision: str, columns: list[str]) -> frozenset[str]:
    """The columns that a decision calls wrong, none without one; what is no decision names other columns."""
    if decision in ("", ACCEPT):
        return frozenset()
    return frozenset(columns) if decision == REJECT else frozenset(re.split(r"\s*[,;]\s*", decision))


def _columns(chains: Hierarchy) -> list[str]:
    """The columns of the texts."""
    sides = ("tier", "negative") if any(row.negative is not None for row in chains.rows) else ("tier",)
    return [f"{side} {tier}" for side in sides for tier in range(chains.tiers)]


def _texts(row: Row, width: int) -> list[str]:
    """The texts of a chain, each on one line; columns of negatives are blank without them."""
    texts = [*map(_tidy, (*row.positive, *(row.negative or ())))]
    return texts + [""] * (width - len(texts))


def _tidy(text: str) -> str:
    return " ".join(text.split())
