"""Items to classify, read in batches: texts, images, folders, tables, stored embeddings and arrays, maybe labelled."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice, repeat
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import path_of
from hiergeo.adapters import Model
from hiergeo.datasets import Labelled, labelled
from hiergeo.datasets.labels.tree_files import column_of
from hiergeo.datasets.pictures import SUFFIXES, ImageLike, decoded
from hiergeo.datasets.reading import Columns, Defect, Read, listing, read
from hiergeo.datasets.reading.columnar import arrow_files
from hiergeo.datasets.reading.inputs import is_input, suffix_of
from hiergeo.datasets.reading.samples import CAPTIONS, IDS, IMAGES, usual
from hiergeo.datasets.tables import TABLES, records
from hiergeo.datasets.vectors import has_vectors, read_vectors
from hiergeo.evaluation.embedded import Compute

LABELS = ("label", "labels", "category", "class", "taxon")
"""Columns that labels are taken from where none is named."""

NAMES = ("name", "product", "description")
"""Columns that texts are taken from where there are no captions and images."""

TEXTS, PICTURES = 4096, 256
"""Items of a batch."""

Row: TypeAlias = tuple[str, Any, str | None, str | None]
"""What an item is called, its data, label and id."""

Items: TypeAlias = str | Path | Tensor | np.ndarray | Labelled | Iterable[Any]
"""Texts, images (paths, pictures, arrays of pixels), embeddings (n, D); or a file or folder of any of them."""


class ItemBatch(NamedTuple):
    """Some items: what they are called, their data (None for an item that cannot be used), labels and ids or None."""

    names: list[str]
    data: Sequence[Any] | Tensor
    labels: list[str] | None = None
    ids: list[str] | None = None

    @property
    def usable(self) -> list[int]:
        """The positions of the items that have data."""
        return [at for at, one in enumerate(self.data) if one is not None]

    def embed(self, model: Model, compute: Compute) -> Tensor:
        """The embeddings of the usable items, (m, D) float."""
        if isinstance(self.data, Tensor):
            return self.data.to(compute.keywords["device"], torch.float32)
        rows = [self.data[at] for at in self.usable]
        if isinstance(rows[0], str):
            return model.encode_text(rows, **compute.keywords)
        return model.encode_image([decoded(row) if isinstance(row, bytes) else row for row in rows], **compute.keywords)

    def take(self, at: Sequence[int]) -> "ItemBatch":
        """The items at some positions, without labels and ids."""
        data = self.data[list(at)] if isinstance(self.data, Tensor) else [self.data[one] for one in at]
        return ItemBatch([self.names[one] for one in at], data)

    def labelled(self, by_id: Mapping[str, str]) -> "ItemBatch":
        """The items whose id, or name without one, has a label, with it."""
        keys = self.ids or self.names
        at = [one for one, key in enumerate(keys) if key in by_id]
        return self.take(at)._replace(labels=[by_id[keys[one]] for one in at])

    def digest(self, settings: str) -> str:
        """A hash of some settings, names, texts and embeddings; of images their names."""
        content = sha256("\0".join((settings, *self.names, *(self.ids or ()))).encode("utf-8", "surrogatepass"))
        if isinstance(self.data, Tensor):
            content.update(self.data.contiguous().numpy().tobytes())
        return content.hexdigest()


@final
@dataclass(frozen=True)
class ItemSource:
    """Items from a source, batch by batch; each walk reads them anew.

    Columns of tables that are not named are recognised by `CAPTIONS`, `IMAGES`, `NAMES` and `LABELS`.
    """

    items: Items
    column: str | None = None
    label_column: str | None = None
    labelled: bool = False

    def check(self, model: Model) -> None:
        """Raise InputError, before any work starts, where the first items cannot be used or the model cannot embed."""
        what = str(self.items) if isinstance(self.items, str | Path) else "the list of items"
        first = next(self.batches(), None)
        rows: list[Any] = [] if first is None else [first.data[at] for at in first.usable]
        if not rows:
            raise InputError(f"{what} holds no items to classify: give texts, images or embeddings.")
        if isinstance(rows[0], Tensor):
            if len(rows[0]) != model.dim:
                raise InputError(
                    f"{what} has embeddings of {len(rows[0])} dimensions and {model.name} embeds in {model.dim}: embed "
                    "items and labels by one model, or name a column of texts by --column, in Python column."
                )
        elif isinstance(rows[0], str):
            model.check_texts([row.strip() for row in rows])
        elif not model.has_images:
            raise InputError(f"{model.name} embeds texts only, and {what} holds images: name an image-text model.")
        elif not isinstance(rows[0], bytes):
            model.check_images(rows)

    def batches(self) -> Iterator[ItemBatch]:
        """The items in their order; InputError where there are none, or a column is missing."""
        items = labelled(self.items) if isinstance(self.items, str) and self.items == "scenes" else self.items
        if isinstance(items, Labelled):
            keys = items.keys or items.classes
            names, labels = map(_image_name, items.images), (keys[at] for at in items.labels)
            yield from _batched(zip(names, items.images, labels, repeat(None)), PICTURES)
        elif isinstance(items, str | Path):
            yield from self._of_path(path_of(items))
        elif isinstance(items, Tensor | np.ndarray) and items.ndim == 2:
            yield from _of_rows(items, map(str, range(len(items))))
        elif isinstance(items, Iterable):
            yield from _batched(
                ((_image_name(item, at), _item(item, at), None, None) for at, item in enumerate(items)), TEXTS
            )
        else:
            raise InputError(f"items must be texts, images, embeddings (n, D) or a file, not {type(items).__name__}.")

    def _of_path(self, path: Path) -> Iterator[ItemBatch]:
        suffix = path.suffix.lower()
        if not path.exists():
            raise InputError(f"{path} is not there: name a file or folder of items, or give a list of texts.")
        if self._holds_rows(path):
            yield from self._of_vectors(path)
        elif path.is_dir() and (pictures := _pictures(path)):
            labels = (file.parent.relative_to(path).name if self.labelled else None for file in pictures)
            names = (file.relative_to(path).as_posix() for file in pictures)
            yield from _batched(zip(names, pictures, labels, repeat(None)), PICTURES)
        elif suffix in SUFFIXES:
            yield ItemBatch([path.name], [path])
        elif path.is_dir() or is_input(path):
            yield from self._of_table(path)
        else:
            raise InputError(
                f"{path} is of a format that cannot be read: name a table, a text, a folder or rows of embeddings."
            )

    def _holds_rows(self, path: Path) -> bool:
        """Whether a file is of embeddings; a table with a column of vectors is one unless another column is named."""
        return self.column is None and path.suffix.lower() != ".txt" and has_vectors(path)

    def _of_vectors(self, path: Path) -> Iterator[ItemBatch]:
        """The images of a file of embeddings; its texts where it has no images."""
        stored = read_vectors(path)
        rows = stored["image" if "image" in stored else "text"]
        rows = rows.reshape(-1, rows.shape[-1])
        called = (stored[name].ravel().tolist() for name in ("id", "image_id", "caption") if name in stored)
        names = next((names for names in called if len(names) == len(rows)), range(len(rows)))
        yield from _of_rows(rows, map(str, names))

    def _of_table(self, path: Path) -> Iterator[ItemBatch]:
        columns = self._columns(path)
        inputs = listing(path, columns)
        records = (record for source in inputs.sources for record in read(inputs.base / source.name, columns))
        rows = map(partial(_row, labelled=self.labelled, keyed=columns.id is not None and not self.labelled), records)
        yield from _batched(rows, PICTURES if columns.pictures else TEXTS)

    def taken(self) -> str:
        """Which columns of a table are read, for a message; empty for other items. Raises as `batches`."""
        if (path := self._table()) is None:
            return ""
        if keyed := self._keyed(path):
            return f"{path.name}: labels from '{keyed[1]}' by '{keyed[0]}'"
        columns = self._columns(path)
        label = f", labels from '{columns.id}'" if self.labelled else ""
        return f"{path.name}: items from '{columns.caption or columns.image}'{label}"

    def labels_by_id(self) -> dict[str, str]:
        """Labels by the ids of items, of a table that holds those alone; empty for any other source."""
        path = self._table()
        if path is None or (columns := self._keyed(path)) is None:
            return {}
        rows = records(path)
        places = list(map([*next(rows)].index, columns))
        cells = (["" if missing(row[at]) else str(row[at]).strip() for at in places] for row in rows)
        return {item: label for item, label in cells if item}

    def _keyed(self, path: Path) -> tuple[str, str] | None:
        """The columns of ids and labels of a table that has none of items."""
        header = [*next(records(path), [])] if self.labelled else []
        label = self.label_column or column_of(header, LABELS)
        key = self.column or usual([name for name in header if name != label], IDS)
        alone = (
            label in header and key in header and usual([key or ""], IDS) and self._item_column(header) in (None, key)
        )
        return (key, label) if alone and key and label else None

    @staticmethod
    def _item_column(header: Iterable[str]) -> str | None:
        return column_of(header, (*CAPTIONS, *IMAGES, *NAMES), ("id", "sku", *LABELS))

    def _table(self) -> Path | None:
        path = path_of(self.items) if isinstance(self.items, str | Path) and self.items != "scenes" else None
        return path if path is not None and _is_table(path) and path.exists() else None

    def _columns(self, path: Path) -> Columns:
        """Which columns hold items and labels; decided by the header of a table, and by its first row."""
        header, first = [*islice(records(path), 2 if _is_table(path) else 0), [], []][:2]
        item = self.column or self._item_column(header)
        label = self.label_column or column_of(header, LABELS, ("id",)) or column_of(header, LABELS)
        wanted = [(item, "column", "items"), (label, "label_column", "labels")][: 2 if self.labelled else 1]
        for name, option, what in wanted if header else ():
            if name not in header:
                lacks = f"no column '{name}'" if name else f"no column that is known to hold {what}"
                named = f"--{option.replace('_', '-')}, in Python {option}"
                raise InputError(f"{path} has {lacks} (it has {', '.join(header[:12])}): name it by {named}.")
        cell = dict(zip(header, first, strict=False)).get(item)
        pictures = isinstance(cell, bytes | dict) or Path(str(cell or "")[-200:]).suffix.lower() in SUFFIXES
        own = (label or LABELS[0]) if self.labelled else usual([name for name in header if name != item], IDS)
        return Columns("images", None, item, own) if pictures else Columns("captions", item, None, own)


def _is_table(path: Path) -> bool:
    return suffix_of(path) in TABLES or bool(arrow_files(path))


def _row(record: Read, labelled: bool, keyed: bool) -> Row:
    if isinstance(record, Defect):
        return f"row {record.row}: {record.reason}", None, "" if labelled else None, "" if keyed else None
    cell = "" if missing(record.id) else str(record.id).strip()
    name = record.caption or record.name or record.reference or f"row {record.row}"
    data = record.caption if record.image is None else record.image
    return name, data, cell if labelled else None, cell if keyed else None


def _batched(rows: Iterable[Row], size: int) -> Iterator[ItemBatch]:
    rows = iter(rows)
    while part := list(islice(rows, size)):
        names, data, labels, ids = map(list, zip(*part, strict=True))
        yield ItemBatch(names, data, None if labels[0] is None else labels, None if ids[0] is None else ids)


def _of_rows(rows: Any, names: Iterator[str]) -> Iterator[ItemBatch]:
    for start in range(0, len(rows), TEXTS):
        part = torch.as_tensor(rows[start : start + TEXTS])
        if part.ndim != 2 or not part.is_floating_point():
            raise InputError(f"embeddings must be floating-point rows (n, D), not {part.dtype} {tuple(part.shape)}.")
        bad = (~part.isfinite().all(1)).nonzero()
        if len(bad):
            raise InputError(f"the embedding of row {start + int(bad[0])} (the first is 0) holds NaN or Inf.")
        yield ItemBatch(list(islice(names, len(part))), part.detach().cpu().float())


def missing(value: Any) -> bool:
    """Whether an item or a label is not there: blank, None or NaN."""
    return value is None or (isinstance(value, float) and value != value) or not str(value).strip()


def _item(item: Any, at: int) -> Any:
    if isinstance(item, str) and Path(item[-200:]).suffix.lower() in SUFFIXES:
        return Path(item)
    if isinstance(item, str | float | None) and missing(item):
        return None
    if isinstance(item, str):
        return item
    if isinstance(item, Path) or hasattr(item, "convert") or hasattr(item, "image_id") or hasattr(item, "ndim"):
        return item
    raise InputError(f"item {at} (the first is 0) is a {type(item).__name__}: give texts, images or embeddings (n, D).")


def _image_name(item: ImageLike | str, at: int = 0) -> str:
    if isinstance(item, str | Path):
        return str(item)
    path, number = getattr(item, "path", None), getattr(item, "image_id", at)
    return str(number) if path is None else path.name


def _pictures(folder: Path) -> list[Path]:
    files = folder.rglob("*")
    shown = (file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts))
    return sorted(file for file in shown if file.suffix.lower() in SUFFIXES and file.is_file())
