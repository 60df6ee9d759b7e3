"""Chains read by a person: a random sample as a CSV file for a spreadsheet, and the decisions that come back in it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hiergeo._core import limits
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.storage.files import csv_rows
from hiergeo.datasets import Hierarchy, Row
from hiergeo.datasets.tables import TableDefect, parse_records, quoted, read_table, without_defects

ACCEPT, REJECT = "accept", "reject"

ID, DECISION, COMMENT = "id", "decision", "comment"


def write_sample(path: Path, chains: Hierarchy, count: int, seed: int = 0) -> int:
    """Write chains drawn at random as a CSV file that a person fills in.

    A row is a chain: its ``id`` (the `row_id`), a column for each text, and the empty columns ``decision`` and
    ``comment``. The order is random, so the first rows are a random sample too, for readers who stop early.

    Args:
        path: the file; it must not exist, because it may hold decisions.
        chains: n of them.
        count: how many to draw; all where n is smaller.
        seed: of the draw; a smaller sample is the beginning of a larger one.

    Returns:
        How many were written.

    Raises:
        InputError: a count or seed out of range, or the file exists.
        UnavailableError: the file cannot be written.
    """
    check_whole("sample", count, 1, limits.COUNT)
    check_whole("seed", seed, 0, limits.SEED)
    if path.exists():
        raise InputError(f"{path} exists and may hold decisions: move it away, or name another file.")
    order = np.random.default_rng(seed).permutation(len(chains.rows))[:count]
    columns = _columns(chains)
    with csv_rows(path, (*columns, DECISION, COMMENT)) as write:
        for index in order:
            write((*_cells(chains.rows[index], len(columns)), "", ""))
    return len(order)


def read_decisions(path: Path, chains: Hierarchy) -> dict[int, bool]:
    """Read the decisions in a file of `write_sample`; rows without one are left out.

    Returns:
        `row_id` -> whether the chain was accepted.

    Raises:
        InputError: no decision at all; or a row whose decision is neither ``accept`` nor ``reject``, whose id is not in
            the chains or occurs twice, or whose texts differ from those of the chain (the row is named).
        UnavailableError: the file does not exist or cannot be read.
    """
    decisions = dict(without_defects(path, _decided(path, chains)))
    if not decisions:
        raise InputError(f"{path} has no decision: write {ACCEPT} or {REJECT} into the column {DECISION}.")
    return decisions


def _decided(path: Path, chains: Hierarchy) -> Iterator[tuple[int, bool] | TableDefect]:
    rows = {str(row.row_id): row for row in chains.rows}
    table, columns = read_table(path, "draw a sample (--sample N)"), _columns(chains)
    for record in parse_records(table, (*columns, DECISION)):
        if isinstance(record, TableDefect):
            yield record
            continue
        index, texts = record
        *cells, decision = map(_tidy, texts)
        row, word = rows.pop(cells[0], None), decision.lower()
        if row is None:
            problem = f"'{quoted(cells[0])}' is not in {chains.name} {chains.split}, or occurs twice"
            yield TableDefect(table.file, index, ID, problem)
        elif cells != _cells(row, len(columns)):
            yield TableDefect(table.file, index, None, f"the texts differ from those of chain {row.row_id}")
        elif word not in ("", ACCEPT, REJECT):
            yield TableDefect(table.file, index, DECISION, f"'{quoted(decision)}' is neither {ACCEPT} nor {REJECT}")
        elif word:
            yield row.row_id, word == ACCEPT


def _columns(chains: Hierarchy) -> list[str]:
    sides = ("tier", "negative") if any(row.negative is not None for row in chains.rows) else ("tier",)
    return [ID, *(f"{side} {tier}" for side in sides for tier in range(chains.tiers))]


def _cells(row: Row, width: int) -> list[str]:
    """The id and the texts of a chain, each text on one line; columns of negatives are blank without them."""
    cells = [str(row.row_id), *map(_tidy, (*row.positive, *(row.negative or ())))]
    return cells + [""] * (width - len(cells))


def _tidy(text: str) -> str:
    return " ".join(text.split())
