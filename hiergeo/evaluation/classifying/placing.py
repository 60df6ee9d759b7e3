"""Classification into a tree of labels: a path an item, and the level up to which it can be believed."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core import limits
from hiergeo._core.devices import AUTO, resolve_device
from hiergeo._core.errors import InputError, check_whole
from hiergeo._core.numerics import torch_defaults
from hiergeo._core.progress import track
from hiergeo._core.records import Exported, Grid, Record, Records, json_text, percent
from hiergeo._core.storage import tensors
from hiergeo._core.storage.files import atomic_write, atomic_write_text
from hiergeo._core.storage.locks import locked
from hiergeo._core.text import shortened, tame
from hiergeo.adapters import Model
from hiergeo.datasets.labels.label_tree import LabelTree
from hiergeo.datasets.labels.tree_files import TreeLike, load_tree
from hiergeo.evaluation.classifying.item_batches import ItemBatch, Items, ItemSource
from hiergeo.evaluation.classifying.methods import (
    METHODS,
    TEMPERATURE,
    LabelPoints,
    Method,
    Paths,
    check_method,
    embed_tree,
    kind_of,
)
from hiergeo.evaluation.classifying.promise import Promise, check_alpha, large_branches, needed, promised
from hiergeo.evaluation.embedded import Compute
from hiergeo.evaluation.measuring import described_space, ready
from hiergeo.geometry import Geometry, Space

TEMPERATURES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Temperatures of which labels choose one."""

SHARE = 1 / 3
"""Of the labelled items, those that choose method, temperature and branches; the others make the promise."""

TUNING = 1000
"""Most labelled items that choose."""

BLOCK = 1 << 23
"""Pairs of items and labels that are measured at a time."""

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
    """

    tree: LabelTree
    items: tuple[str, ...]
    path: np.ndarray
    odds: np.ndarray
    promise: Promise
    settings: dict[str, str | int | float]
    images: tuple[Any, ...] = ()

    @property
    def confidence(self) -> np.ndarray:
        """How sure each label of a path is, (n, levels) float64 in [0, 1], never rising."""
        from scipy.special import expit

        return np.asarray(expit(self.odds.astype(np.float64)))

    @property
    def level(self) -> np.ndarray:
        return self.promise.levels(self.path, self.odds)

    def __repr__(self) -> str:
        return f"<Classified {len(self.items):,} items, mean level {self.mean_level:.2f} of {self.tree.depth}>"

    @property
    def mean_level(self) -> float:
        """The mean level at which items stop."""
        return float(self.level.mean())

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """The names of the labels of each path, down to a leaf, (n,)."""
        names = (*self.tree.names, "")
        return [tuple(names[label] for label in row if label >= 0) for row in self.path.tolist()]

    @property
    def labels(self) -> list[str]:
        """The key of the label at which each item stops, (n,); empty at the root."""
        keys = (*self.tree.keys, "")
        return [
            keys[row[level - 1]] if level else "" for row, level in zip(self.path.tolist(), self.level, strict=True)
        ]

    @property
    def least_sure(self) -> np.ndarray:
        """The items in order of confidence at the level where they stop, those at the root first, (n,) int64."""
        level = self.level
        at = np.take_along_axis(self.odds, np.maximum(level - 1, 0)[:, None], 1)[:, 0]
        return np.lexsort((at, level > 0))

    def records(self, *, items: bool = False) -> Iterator[Record]:
        """A row an item: item, label, level, confidence, path, and label and confidence of every level."""
        return map(self._record, range(len(self.items)), self.level.tolist(), self.confidence.tolist())

    def _record(self, at: int, stop: int, sure: list[float]) -> Record:
        tree, path = self.tree, self.path[at].tolist()
        row: dict[str, object] = {
            "item": self.items[at],
            "label": tree.keys[path[stop - 1]] if stop else "",
            "level": stop,
            "confidence": sure[stop - 1] if stop else 1.0,
            "path": tree.written(path[:stop]),
        }
        for depth, (label, value) in enumerate(zip(path, sure, strict=True), 1):
            row[f"level_{depth}"] = tree.names[label] if label >= 0 else None
            row[f"confidence_{depth}"] = value if label >= 0 else None
        return row

    def grids(self) -> Iterator[Grid]:
        """How many items stop at each level, and the ten least sure."""
        level = self.level
        counts = np.bincount(level, minlength=self.tree.depth + 1)
        table = [(at, int(count), percent(count / len(level))) for at, count in enumerate(counts) if count]
        yield Records.of(("level", "items", "share"), table).grid
        shown, confidence = [], self.confidence
        for at in self.least_sure[:10].tolist():
            stop = int(level[at])
            row = self._record(at, stop, confidence[at].tolist())
            further = row.get(f"level_{stop + 1}"), row.get(f"confidence_{stop + 1}")
            shown.append(
                (shortened(tame(self.items[at]), 60), row["path"] or "(the root)", row["confidence"], *further)
            )
        heads = ("item", "stops at", "confidence", "would go on to", "with")
        yield replace(Records.of(heads, shown).grid, title="The least sure")

    def write(self, path: Path) -> None:
        """Write the rows to a file, whole or not at all: ``.csv``, ``.parquet`` or ``.json``.

        Raises:
            InputError: another suffix.
            UnavailableError: the file cannot be written.
        """
        suffix = check_table(path)
        if suffix == ".json":
            about = {"promise": self.about(), "settings": self.settings}
            atomic_write_text(path, json_text({"about": about, "items": list(self.records())}))
        elif suffix == ".csv":
            with atomic_write(path) as handle:
                handle.write(f"{self.to_csv()}\n".encode("utf-8", "backslashreplace"))
        else:
            import pyarrow as pa
            from pyarrow.parquet import write_table

            with atomic_write(path) as handle:
                write_table(pa.Table.from_pylist(list(self.records())), handle)

    def about(self) -> dict[str, Any]:
        """The promise as JSON values, and how deep items come."""
        from scipy.special import expit

        made = self.promise
        numbers = {"floor": float(expit(made.floor)), "alpha": made.alpha, "labels": made.labels, "tuning": made.tuning}
        branches = {self.tree.names[top]: float(expit(floor)) for top, floor in made.branches.items()}
        return {"sentence": str(made), **numbers, "branches": branches, "mean_level": self.mean_level}


def check_table(path: Path) -> str:
    """The suffix of a table of results; InputError for one that cannot be written."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet", ".json"):
        raise InputError(f"{path} must end in .csv, .parquet or .json.")
    return suffix


class Chosen(NamedTuple):
    """A method with its temperature."""

    method: Method
    temperature: float


def block(tree: LabelTree) -> int:
    """How many items are measured at a time."""
    return max(1, BLOCK // len(tree))


def walk_all(points: LabelPoints, items: Tensor, how: Chosen) -> Paths:
    """The paths of items (n, D), a block at a time."""
    walked = [points.walk(points.measure(part, kind_of(how.method)), *how) for part in items.split(block(points.tree))]
    return Paths(*(torch.cat(column) for column in zip(*walked, strict=True)))


def surest_by_level(points: LabelPoints, items: Tensor, how: Chosen) -> np.ndarray:
    """The surest label of each level for items (n, D), (n, levels), whether or not they are one path."""
    kind = kind_of(how.method)
    parts = [
        points.best_by_level(points.confidences(points.measure(part, kind), *how)[0])
        for part in items.split(block(points.tree))
    ]
    return torch.cat(parts).cpu().numpy()


def embed_items(model: Model, batches: Sequence[ItemBatch], compute: Compute, *, progress: bool = False) -> Tensor:
    """The embeddings (n, D) of all items of some batches."""
    return torch.cat([batch.embed(model, compute) for batch in track(batches, "embedding items", enabled=progress)])


@torch_defaults()
@torch.no_grad()
def classify(
    items: Items,
    tree: TreeLike,
    *,
    model: Model | str,
    space: Space | Geometry | str | None = None,
    method: Method | Literal["auto"] = "auto",
    temperature: float | None = None,
    templates: Sequence[str] = ("{}",),
    alpha: float | None = None,
    calibrate: Calibrate | None = None,
    floor: float = 0.0,
    column: str | None = None,
    label_column: str | None = None,
    work: Path | str | None = None,
    seed: int = 0,
    device: str | torch.device = AUTO,
    batch_size: int | None = None,
    progress: bool = False,
) -> Classified:
    """Classify items into a tree of labels: a path for each, and the level up to which it is believed.

    Args:
        items: texts, images or embeddings (n, D); or a file or folder of them: CSV, TSV, Parquet, JSON Lines, text,
            images, ``.npz`` (its images, or else its texts) or ``.npy``.
        tree: the labels; see `load_tree`.
        model: an adapter, or the spec that loads one; it embeds items and labels.
        space: a space, a geometry, or its spec; None is the model's own space, else Euclidean space around its root.
        method: see `hiergeo.evaluation.classifying.methods`. ``auto`` is the one with which labelled items stop
            deepest at the promised error; without them ``flat``.
        temperature: of the softmax, above 0; None is chosen with labelled items, and 0.05 without.
        templates: texts of a label, with ``{}`` for its name or ``{path}`` for the name and what is above it; several
            are averaged.
        alpha: the error to promise, in (0, 1): the share of items whose label is wrong. It needs `calibrate`.
        calibrate: labelled items, such as those to be classified: a table or folder with labels, images of
            `hiergeo.datasets.labelled`, or a pair (items, labels); labels are keys, names or paths. A third of them
            chooses method and temperature, unless both are named, the others make the promise.
        floor: without labels, the confidence above which a label is believed.
        column: the column of the items in a table; None is the first of the usual names.
        label_column: that of the labels.
        work: a folder for what is done so far: the same call goes on there after a crash.
        seed: of the split of labelled items.
        device: where everything is computed.
        batch_size: texts or images that are embedded at a time; None is what the model prefers.
        progress: show bars for work that outlasts a second.

    Raises:
        InputError: a tree, items or labels that cannot be used, too few labels for alpha (says how many it takes), or
            settings that contradict each other.
        UnavailableError: files, weights or packages that are not there.
    """
    how = Chosen("flat" if method == "auto" else method, TEMPERATURE if temperature is None else temperature)
    check_method(*how)
    check_whole("seed", seed, 0, limits.SEED)
    if alpha is not None:
        check_alpha(alpha)
    if (alpha is None) != (calibrate is None):
        raise InputError("a promise takes both alpha, the error, and calibrate, labelled items: give both or neither.")
    if not 0 <= floor < 1 or (floor and alpha is not None):
        raise InputError(f"a floor is a number in [0, 1), and none is given where alpha sets it, not {floor!r}.")
    labels = load_tree(tree)
    compute = Compute(resolve_device(device), "float32", batch_size)
    source = ItemSource(list(items) if isinstance(items, Iterator) else items, column, label_column)
    labelled = None if calibrate is None else read_labelled(calibrate, labels, column, label_column, alpha or 1)
    loaded, chosen_space = ready(model, space, compute.device)
    chosen_space.geometry.parts(loaded.dim)
    source.check(loaded)
    points = embed_tree(loaded, chosen_space, labels, templates, compute, progress=progress)
    promise = Promise(float(torch.logit(torch.tensor(floor, dtype=torch.float64))), {})
    if labelled is not None and alpha is not None:
        batches, truth = labelled
        rows = embed_items(loaded, batches, compute, progress=progress)
        methods = METHODS if method == "auto" else (method,)
        how, promise = calibrated(points, rows, truth, alpha, methods, temperature, seed)
    settings = {
        "model": loaded.name,
        **described_space(points.space, loaded.root(compute.device)),
        "method": how.method,
        "temperature": how.temperature,
        "templates": " | ".join(templates),
        "tree": labels.digest,
    }
    key = json.dumps([settings, loaded.fingerprint()])
    names: list[str] = []
    images: list[Any] = []
    parts: list[Paths] = []
    with nullcontext() if work is None else locked(Path(work)):
        bar = track(source.batches(), "placing items", enabled=progress, size=lambda b: len(b.names), total=source.size)
        for number, batch in enumerate(bar):
            names += batch.names
            images += batch.images
            done = None if work is None else Path(work) / f"{batch.digest(f'{number} {key}')}.safetensors"
            parts.append(_part(done, batch, points, loaded, how, compute))
    path, odds = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    pictures = tuple(images) if any(image is not None for image in images) else ()
    return Classified(labels, tuple(names), path, odds, promise, settings, pictures)


def _part(
    path: Path | None, batch: ItemBatch, points: LabelPoints, model: Model, how: Chosen, compute: Compute
) -> Paths:
    """The paths of a batch, from its file where it is done; items without data have none."""
    if path is not None and path.exists():
        return Paths(**tensors.read(path))
    size = len(batch.names), points.tree.depth
    part = Paths(torch.full(size, -1), torch.full(size, -torch.inf))
    if usable := batch.usable:
        walked = walk_all(points, batch.embed(model, compute), how)
        part.label[usable], part.odds[usable] = walked.label.cpu(), walked.odds.float().cpu()
    if path is not None:
        with atomic_write(path) as handle:
            handle.write(tensors.packed(part._asdict()))
    return part


def read_labelled(
    calibrate: Calibrate, tree: LabelTree, column: str | None, label_column: str | None, alpha: float
) -> tuple[list[ItemBatch], np.ndarray]:
    """Labelled items with the numbers of their labels (n,); those without a label are passed over.

    Raises:
        InputError: labels that are not in the tree, or too few for alpha; before a model is loaded.
    """
    given: list[Any] | None = None
    if isinstance(calibrate, tuple):
        if len(calibrate) != 2:
            raise InputError("calibrate must be labelled items, or a pair (items, labels).")
        calibrate, labels = calibrate
        given = list(labels)
    batches = list(ItemSource(calibrate, column, label_column, labelled=given is None).batches())
    count = sum(len(batch.names) for batch in batches)
    written = [label for batch in batches for label in batch.labels or ()] if given is None else given
    if given is not None and len(given) != count:
        raise InputError(f"there are {count} labelled items and {len(given)} labels.")
    if len(written) != count:
        raise InputError("the labelled items have no labels: give a pair (items, labels), or a table with both.")
    usable, truth, start = [], [], 0
    for batch in batches:
        own = written[start : start + len(batch.names)]
        start += len(own)
        use = [at for at in batch.usable if str(own[at])]
        data = batch.data[use] if isinstance(batch.data, Tensor) else [batch.data[at] for at in use]
        usable.append(ItemBatch([batch.names[at] for at in use], data))
        truth += [own[at] for at in use]
    if len(truth) < needed(alpha):
        raise InputError(
            f"an error of at most {100 * alpha:g} % takes at least {needed(alpha)} labelled items, and there are "
            f"{len(truth)}: label more, or allow a larger alpha."
        )
    return [batch for batch in usable if batch.names], tree.numbers(truth, "the labelled items")


def calibrated(
    points: LabelPoints,
    items: Tensor,
    truth: np.ndarray,
    alpha: float,
    methods: Sequence[Method] = METHODS,
    temperature: float | None = None,
    seed: int = 0,
) -> tuple[Chosen, Promise]:
    """Method, temperature and promise of labelled items: some of them choose, the others make the promise.

    The choice is the deepest mean level at the floor that those who choose, at most `TUNING`, set for themselves.

    Args:
        points: the labels.
        items: (n, D) embeddings.
        truth: (n,) numbers of their labels.
        alpha: the error to promise.
        methods: those to choose from.
        temperature: None is one of `TEMPERATURES`.
        seed: of the split.

    Raises:
        InputError: too few items; says how many it takes.
    """
    fixed = TEMPERATURES if temperature is None else (temperature,)
    choices = [Chosen(name, value) for name in methods for value in (fixed if name != "ladder" else fixed[:1])]
    count, least = len(truth), needed(alpha)
    if len(choices) > 1 and SHARE * count < least:
        raise InputError(
            f"choosing a method and a temperature takes labelled items of its own: {math.ceil(least / SHARE)} in all "
            f"for an error of {100 * alpha:g} %, and there are {count}: name both, or label more."
        )
    order = np.random.default_rng(seed).permutation(count)
    tune, rest = np.split(order, [min(TUNING, int(SHARE * count)) if SHARE * count >= least else 0])
    ratio = len(rest) / max(1, len(tune))
    best = choices[0]
    branches: tuple[int, ...] = ()
    if len(tune):
        best, branches = _deepest(points, items[tune], truth[tune], alpha, choices, ratio)
    label, odds = (column.cpu().numpy() for column in walk_all(points, items[rest], best))
    return best, promised(points.tree, label, odds, truth[rest], alpha, branches, len(tune))


def _deepest(
    points: LabelPoints, items: Tensor, truth: np.ndarray, alpha: float, choices: Sequence[Chosen], ratio: float
) -> tuple[Chosen, tuple[int, ...]]:
    """The choice whose items stop deepest at the floors that they set for themselves, and its branches with floors.

    Equal depths go to the first choice; `ratio` is as for `large_branches`.
    """
    walked: dict[Chosen, list[Paths]] = {how: [] for how in choices}
    for part in items.split(block(points.tree)):
        scores = {kind: points.measure(part, kind) for kind in dict.fromkeys(kind_of(how.method) for how in choices)}
        for how, paths in walked.items():
            paths.append(points.walk(scores[kind_of(how.method)], *how))
    depths: dict[Chosen, tuple[float, tuple[int, ...]]] = {}
    for how, parts in walked.items():
        label, odds = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
        branches = large_branches(label[:, 0], alpha, ratio)
        depths[how] = promised(points.tree, label, odds, truth, alpha, branches).depth, branches
    best = max(choices, key=lambda how: depths[how][0])
    return best, depths[best][1]
