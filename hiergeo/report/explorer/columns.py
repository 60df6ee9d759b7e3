"""Columns of the data: what items are coloured and filtered by, each in a few bins.

Radius, tier and kind are the explorer's own; others come from a table whose rows are items by their ``id`` or else by
their caption.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from hiergeo._core.errors import InputError
from hiergeo._core.text import one_line, shortened
from hiergeo.datasets.reading.samples import CAPTIONS, IMAGES, KEYS
from hiergeo.datasets.tables import records
from hiergeo.evaluation.auditing.population import Floats, Ids, Items
from hiergeo.geometry import Geometry
from hiergeo.report.explorer.items import Tiers, radii_of, read_items
from hiergeo.search.stores.exact import ExactStore

MOST, BINS, MISSING = 12, 24, 255
"""Columns of a collection and bins of a column, at most; the bin of an item without a value."""

CHARACTERS, DISTINCT = 80, 100_000
"""Characters of a text that are shown, and distinct texts of a column that are told apart."""


@final
@dataclass(frozen=True, eq=False)
class Column:
    """One column in bins.

    Attributes:
        name: of it.
        edges: of the bins of numbers, ascending, one more than bins; None for texts.
        values: of the bins of texts, the most frequent first; None for numbers.
        bins: (n,) uint8, in ascending order of the ids of all items; `MISSING` without a value.
    """

    name: str
    edges: list[float] | None
    values: list[str] | None
    bins: NDArray[np.uint8]

    def facts(self) -> dict[str, Any]:
        """What it is like, in values of JSON."""
        size = len(self.values) if self.values is not None else len(self.edges or ()) - 1
        counts = np.bincount(self.bins[self.bins != MISSING], minlength=size).tolist()
        kind = "number" if self.values is None else "text"
        return {"name": self.name, "kind": kind, "edges": self.edges, "values": self.values, "counts": counts}


def of_numbers(name: str, numbers: Floats) -> Column:
    """The column of numbers (n,), NaN where there is none; few whole ones have a bin each.

    The other bins are of equal width from the 1 to the 99 % quantile, and the first and the last reach to the ends.
    """
    held = numbers[np.isfinite(numbers)]
    low, high = (float(held.min()), float(held.max())) if len(held) else (0.0, 0.0)
    if (held == held.round()).all() and high - low < BINS:
        edges = np.arange(low, high + 2) - 0.5
    else:
        start, stop = np.quantile(held, (0.01, 0.99)).tolist()
        start, stop = (start, stop) if start < stop else (low, high)
        edges = np.r_[low, np.linspace(start, stop, BINS + 1)[1:-1], high]
    at = np.clip(edges.searchsorted(numbers, "right") - 1, 0, len(edges) - 2)
    return Column(name, edges.tolist(), None, np.where(np.isfinite(numbers), at, MISSING).astype(np.uint8))


def of_texts(name: str, codes: NDArray[np.int32], texts: list[str]) -> Column:
    """The column of texts by their places (n,) in `texts`, -1 where there is none; rare ones are "other"."""
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    order = counts.argsort(kind="stable")[::-1] if len(texts) > BINS else np.arange(len(texts))
    frequent = order[: BINS - 1] if len(texts) > BINS else order
    bins = np.full(len(texts) + 1, len(frequent), np.uint8)
    bins[frequent], bins[-1] = np.arange(len(frequent)), MISSING
    values = [shortened(one_line(texts[at]), CHARACTERS) for at in frequent]
    return Column(name, None, [*values, "other"] if len(texts) > BINS else values, bins[codes])


@final
class ItemTable:
    """A table whose columns describe items.

    Args:
        path: a CSV, TSV or Parquet file with a column of ids, named id or sku, or of captions.

    Raises:
        InputError: it is damaged, or has neither.
    """

    def __init__(self, path: Path) -> None:
        self.path, header = path, next(records(path), [])
        folded = {name.casefold(): at for at, name in reversed(list(enumerate(header)))}
        keys = [folded[name] for name in (*KEYS, *CAPTIONS) if name in folded]
        if not keys:
            raise InputError(
                f"{path} has neither a column {' nor '.join((*KEYS, *CAPTIONS))}: name one of its columns so."
            )
        self._key, self._by_id = keys[0], header[keys[0]].casefold() in KEYS
        others = [at for at, name in enumerate(header) if name.casefold() not in (*KEYS, *CAPTIONS, *IMAGES)]
        self._named = {at: header[at] for at in others[:MOST]}
        self._texts = {at for cells in self._rows() for at in self._named if _number(cells[at]) is None}

    def columns(self, store: ExactStore, items: Items) -> Iterator[Column]:
        """Its columns for the items of a store; raises InputError where no row is an item."""
        places: dict[str, list[int]] = {}
        for ids, labels in store.named():
            called = labels.ids(ids.tolist())
            for at, item, caption in zip(items.places(ids).tolist(), called, labels.captions, strict=True):
                places.setdefault(str(item) if self._by_id else (caption or "").strip(), []).append(at)
        numbers = {at: np.full(len(items), np.nan) for at in self._named if at not in self._texts}
        codes = {at: np.full(len(items), -1, np.int32) for at in self._texts}
        texts: dict[int, dict[str, int]] = {at: {} for at in self._texts}
        described = False
        for cells in self._rows():
            rows = places.get(str(cells[self._key]).strip(), ())
            described |= bool(rows)
            for at in self._named if rows else ():
                cell = "" if cells[at] is None else str(cells[at]).strip()
                if at in numbers:
                    numbers[at][rows] = _number(cells[at])
                elif cell and (len(texts[at]) < DISTINCT or cell in texts[at]):
                    codes[at][rows] = texts[at].setdefault(cell, len(texts[at]))
        if not described:
            raise InputError(f"no row of {self.path} is an item of the index: name the table that it was built from.")
        for at, name in self._named.items():
            yield of_numbers(name, numbers[at]) if at in numbers else of_texts(name, codes[at], list(texts[at]))

    def _rows(self) -> Iterator[list[Any]]:
        rows = records(self.path)
        header = next(rows)
        for line, cells in enumerate(rows, 2):
            if len(cells) != len(header):
                raise InputError(f"{self.path}, line {line}: {len(cells)} cells for {len(header)} columns.")
            yield cells


def _number(cell: Any) -> float | None:
    """What a cell is in a column of numbers, NaN where it is empty; None for what is no number."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return float("nan")
    try:
        return None if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


@final
class Columns(NamedTuple):
    """The columns of a collection, and the ids (n,), ascending, of its items."""

    ids: Ids
    columns: list[Column]

    def facts(self) -> list[dict[str, Any]]:
        """What they are like, in values of JSON."""
        return [column.facts() for column in self.columns]

    def bins(self, name: str) -> dict[str, Any] | None:
        """The bins of all items in a column, in base64, and their ids, null for 0, 1, 2, ...; None for no column."""
        bins = next((column.bins for column in self.columns if column.name == name), None)
        if bins is None:
            return None
        counted = not len(self.ids) or self.ids[-1] + 1 == len(self.ids)
        ids = None if counted else list(map(str, self.ids.tolist()))
        return {"bins": base64.b64encode(bins.tobytes()).decode(), "ids": ids}


def columns_of(store: ExactStore, geometry: Geometry, tiers: Tiers | None, table: ItemTable | None) -> Columns:
    """The columns of items, at most `MOST`: their radii in a geometry, tiers, kinds, and those of a table.

    A column of the table that is named like another one has "(table)" behind its name.
    """
    items = read_items(store, tiers)
    columns = [of_numbers("radius", radii_of(store, items, geometry).astype(np.float64))]
    if tiers is not None:
        columns.append(of_texts("tier", items.tier.astype(np.int32), list(tiers.names)))
    if len(np.unique(items.kind)) > 1:
        columns.append(of_texts("kind", items.kind.astype(np.int32), ["caption", "image"]))
    if table is not None:
        taken = {"radius", "tier", "kind"}
        for column in table.columns(store, items):
            while column.name in taken:
                column = replace(column, name=f"{column.name} (table)")
            taken.add(column.name)
            columns.append(column)
    return Columns(items.ids, columns[:MOST])
