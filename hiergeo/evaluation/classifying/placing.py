"""Classification into a tree of labels: a path an item, and the level up to which it can be believed."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.records import Exported, Grid, Record, Records, json_text, percent, write_csv
from hiergeo._core.storage import tensors
from hiergeo._core.storage.files import atomic_write
from hiergeo.adapters import Model
from hiergeo.datasets.labels.label_tree import LabelTree
from hiergeo.evaluation.classifying.item_batches import ItemBatch, Items, ItemSource, missing
from hiergeo.evaluation.classifying.methods import (
    METHODS,
    TEMPERATURE,
    LabelPoints,
    Method,
    Paths,
)
from hiergeo.evaluation.classifying.promise import (
    Promise,
    check_enough,
    large_branches,
    needed,
    promised,
    stops,
)
from hiergeo.evaluation.embedded import Compute

TEMPERATURES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Temperatures of which labels choose one."""

SHARE = 1 / 3
"""Of the labelled items, those that choose method, temperature and branches; the others make the promise."""

TUNING = 1000
"""Most labelled items that choose."""

BLOCK = 1 << 23
"""Pairs of items and labels that are measured at a time."""

ROWS = 4096
"""Rows that are written to a Parquet file at a time."""

Calibrate: TypeAlias = Items | tuple[Items, Sequence[Any]]
"""Labelled items: a table or folder with labels, or a pair (items, labels)."""


@final
@dataclass(frozen=True, repr=False)
class Classified(Exported):
    """Items in a tree of labels.

    Attributes:
        tree: the labels.
        items: what each item is called, (n,).
        path: the labels of its path from the top down, (n, levels) int64, -1 behind a leaf.
        odds: the log-odds of each of them, (n, levels), never rising.
        level: how many of them are believed, (n,) int64; 0 is none.
        promise: the floors, and what they promise.
        settings: how they were classified.
        images: what was given for each item that is an image, for pages; empty without any.
        ids: of the items, from the column ``id``, ``sku`` or ``image_id`` of a table; empty without one.
    """

    tree: LabelTree
    items: tuple[str, ...]
    path: np.ndarray
    odds: np.ndarray
    promise: Promise
    settings: dict[str, str | int | float]
    images: tuple[Any, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def confidence(self) -> np.ndarray:
        """How sure each label of a path is, (n, levels) float64 in [0, 1], never rising."""
        from scipy.special import expit

        return np.asarray(expit(self.odds))

    @cached_property
    def level(self) -> np.ndarray:
        return stops(self.odds, self.promise.floors(self.path))

    def __repr__(self) -> str:
        return f"<Classified {len(self.items):,} items, mean level {self.level.mean():.2f} of {self.tree.depth}>"

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """The names of the labels of each path, down to a leaf, (n,)."""
        names = (*self.tree.names, "")
        return [tuple(names[label] for label in row if label >= 0) for row in self.path.tolist()]

    @property
    def labels(self) -> list[str]:
        """The key of the label at which each item stops, (n,); empty at the root."""
        return [str(row["label"]) for row in self.records()]

    @property
    def least_sure(self) -> np.ndarray:
        """The items in order of confidence at the level where they stop, those at the root first, (n,) int64."""
        level = self.level
        at = np.take_along_axis(self.odds, np.maximum(level - 1, 0)[:, None], 1)[:, 0]
        return np.lexsort((at, level > 0))

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """A row an item: its id, if any, item, label, level, confidence, path, and both of every level."""
        tree = self.tree
        keys = [{"id": item} for item in self.ids] or [dict[str, str]()] * len(self.items)
        rows = zip(keys, self.items, self.path, self.level.tolist(), self.confidence, strict=True)
        for key, item, path, stop, sure in rows:
            row: dict[str, object] = {
                **key,
                "item": item,
                "label": tree.keys[path[stop - 1]] if stop else "",
                "level": stop,
                "confidence": float(sure[stop - 1]) if stop else 1.0,
                "path": tree.written(path[:stop]),
            }
            for depth, (label, value) in enumerate(zip(path.tolist(), sure.tolist(), strict=True), 1):
                row[f"level_{depth}"] = tree.names[label] if label >= 0 else None
                row[f"confidence_{depth}"] = value if label >= 0 else None
            yield row

    def grids(self) -> Iterator[Grid]:
        """How many items stop at each level."""
        counts = enumerate(np.bincount(self.level).tolist())
        table = [(at, count, percent(count / len(self.items))) for at, count in counts if count]
        yield Records.of(("level", "items", "share"), table).grid

    def write(self, path: Path | str) -> None:
        """Write the rows to a file one after another, whole or not at all: ``.csv``, ``.parquet`` or ``.json``.

        Raises:
            InputError: another suffix.
            UnavailableError: the file cannot be written.
        """
        suffix, rows, keys = check_table(path), self.records(), list(next(self.records()))
        with atomic_write(path) as handle:
            if suffix == ".parquet":
                import pyarrow as pa
                from pyarrow.parquet import ParquetWriter

                sure = [key for key in keys if key.startswith("confidence")]
                kinds = {"level": pa.int64(), **dict.fromkeys(sure, pa.float64())}
                schema = pa.schema([(key, kinds.get(key, pa.string())) for key in keys])
                with ParquetWriter(handle, schema) as writer:
                    while part := list(islice(rows, ROWS)):
                        writer.write_table(pa.Table.from_pylist(part, schema))
                return
            text = TextIOWrapper(handle, "utf-8", "backslashreplace", newline="", write_through=True)
            if suffix == ".csv":
                write_csv(text, rows, keys)
            else:
                about = {"promise": self.promise.about(self.tree), "mean_level": float(self.level.mean())}
                text.write(f'{{"about": {json_text({**about, "settings": self.settings})},\n"items": [')
                text.writelines(f"{',' * bool(at)}\n{json.dumps(row)}" for at, row in enumerate(rows))
                text.write("\n]}\n")
            text.detach()


def check_table(path: Path | str) -> str:
    """The suffix of a table of results; InputError for one that cannot be written."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".parquet", ".json"):
        raise InputError(f"{path} must end in .csv, .parquet or .json.")
    return suffix


class Chosen(NamedTuple):
    """A method with its temperature."""

    method: Method
    temperature: float


def walk_all(points: LabelPoints, items: Tensor, how: Chosen) -> tuple[np.ndarray, np.ndarray]:
    """The paths of items (n, D), a block at a time: labels and log-odds as in `Paths`."""
    return joined(points.walk(part, *how) for part in measured(points, items, how.method))


def measured(points: LabelPoints, items: Tensor, method: Method) -> Iterator[Tensor]:
    """The scores of labels at items (n, D), a block of items at a time."""
    return (points.measure(part, method) for part in items.split(max(1, BLOCK // len(points.tree))))


def joined(parts: Iterable[Paths]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and log-odds of all items, (n, levels) each."""
    label, odds = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return label, odds.astype(np.float64)


def embed_items(model: Model, batches: Sequence[ItemBatch], compute: Compute, *, progress: bool = False) -> Tensor:
    """The embeddings (n, D) of all items of some batches."""
    return torch.cat([batch.embed(model, compute) for batch in track(batches, "embedding items", enabled=progress)])


@torch_defaults()
@torch.no_grad()
def part_of(
    path: Path | None, batch: ItemBatch, points: LabelPoints, model: Model, how: Chosen, compute: Compute
) -> Paths:
    """The paths of a batch, from its file where it is done; items without data have none."""
    if path is not None and path.exists():
        return Paths(**tensors.read(path))
    size = len(batch.names), points.tree.depth
    part = Paths(torch.full(size, -1), torch.full(size, -torch.inf, dtype=torch.float64))
    if usable := batch.usable:
        walked = walk_all(points, batch.embed(model, compute), how)
        part.label[usable], part.odds[usable] = map(torch.from_numpy, walked)
    if path is not None:
        with atomic_write(path) as handle:
            handle.write(tensors.packed(part._asdict()))
    return part


def read_labelled(
    calibrate: Calibrate,
    tree: LabelTree,
    column: str | None,
    label_column: str | None,
    alpha: float,
    source: ItemSource | None = None,
) -> tuple[list[ItemBatch], np.ndarray]:
    """Labelled items with the numbers of their labels (n,); those without a label are passed over.

    A table of ids and labels alone says what items of `source` are.

    Raises:
        InputError: labels that are not in the tree, or too few for alpha; before a model is loaded.
    """
    items, given = calibrate if isinstance(calibrate, tuple) and len(calibrate) == 2 else (calibrate, None)
    table = ItemSource(items, column, label_column, labelled=given is None)
    if source is not None and given is None and (by_id := table.labels_by_id()):
        batches = [batch for batch in (part.labelled(by_id) for part in source.batches()) if batch.names]
        if not batches:
            raise InputError(f"no id of {items} is that of an item: give the ids of the items to be classified.")
    else:
        batches = list(table.batches())
    count = sum(len(batch.names) for batch in batches)
    labels = [label for batch in batches for label in batch.labels or ()] if given is None else list(given)
    if len(labels) != count:
        raise InputError(
            f"there are {count} labelled items and {len(labels)} labels: give a pair (items, labels), or a table or "
            "folder with both."
        )
    usable, truth, rest = [], [], iter(labels)
    for batch in batches:
        own = list(islice(rest, len(batch.names)))
        use = [at for at in batch.usable if not missing(own[at])]
        usable.append(batch.take(use))
        truth += [own[at] for at in use]
    check_enough(len(truth), alpha)
    return [batch for batch in usable if batch.names], tree.numbers(truth, "the labelled items")


def calibrated(
    points: LabelPoints,
    items: Tensor,
    truth: np.ndarray,
    alpha: float,
    methods: Sequence[Method] = METHODS,
    temperature: float | None = None,
) -> tuple[Chosen, Promise]:
    """Method, temperature and promise of items (n, D) with numbers of labels (n,): some choose, the others promise.

    The choice is the deepest mean level at the floors that those who choose, at most `TUNING`, set for themselves; of
    equal depths the first. Where these would be too few, the first method is chosen and all items promise.

    Raises:
        InputError: too few items; says how many it takes.
    """
    own = int(SHARE * len(truth)) if SHARE * len(truth) >= needed(alpha) else 0
    temperatures = (temperature or TEMPERATURE,) if temperature or not own else TEMPERATURES
    best, depth = Chosen(methods[0], temperatures[0]), -math.inf
    branches: tuple[int, ...] = ()
    order = np.random.default_rng(0).permutation(len(truth))
    tune, rest = np.split(order, [min(TUNING, own)])
    for method in methods if own else ():
        scores = list(measured(points, items[tune], method))
        for value in temperatures[:1] if method == "ladder" else temperatures:
            paths, odds = joined(points.walk(part, method, value) for part in scores)
            large = large_branches(paths[:, 0], alpha, len(rest) / len(tune))
            made = promised(points.tree, paths, odds, truth[tune], alpha, large)
            if made.depth > depth:
                best, branches, depth = Chosen(method, value), large, made.depth
    paths, odds = walk_all(points, items[rest], best)
    return best, promised(points.tree, paths, odds, truth[rest], alpha, branches, len(tune))
