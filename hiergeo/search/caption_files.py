"""Files of captions, read a row at a time: lines of text, CSV tables, Parquet tables."""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, tee
from pathlib import Path
from typing import Any

from hiergeo._core.errors import InputError, UnavailableError, reason
from hiergeo._core.storage.files import path_of, size_of
from hiergeo.search import layout
from hiergeo.search.shards import arrow


def columns_in(file: Path | str, images: Path | None) -> dict[str, Iterator[Any]]:
    """The captions in a file, and of a table its images and ids, if it has columns of them; each read a row at a time.

    A row whose cell of the image is missing or empty has the image None. All columns must be read at one pace: what one
    of them is ahead of the others is held in memory.

    Args:
        file: .txt with one a line, .csv or .parquet with a column ``caption`` and perhaps ``image`` and ``id``.
        images: the folder that the images of a table are named in.

    Returns:
        ``captions``, and perhaps ``images`` and ``ids``; an id that is no whole number is left as it is.

    Raises:
        UnavailableError: there is no such file.
        InputError: it is of another kind, damaged, or has no captions.
    """
    path = path_of(file)
    if size_of(path) is None:
        raise UnavailableError(f"there is no file {path}: name one of captions, or give a list of them.")
    kind = path.suffix.lower()
    if kind == ".txt":
        return {"captions": _lines(path)}
    if kind not in (".csv", ".parquet"):
        raise InputError(f"{path} is no file of captions: name a .txt, a .csv or a .parquet.")
    rows = _csv(path) if kind == ".csv" else _parquet(path)
    first = next(rows, None)
    if first is None:
        return {"captions": iter(())}
    captions, pictures, ids = tee(chain([first], rows), 3)
    columns: dict[str, Iterator[Any]] = {"captions": (row["caption"] for row in captions)}
    if "image" in first:
        columns["images"] = (_image(row["image"], images) for row in pictures)
    if "id" in first:
        columns["ids"] = (_id(row["id"]) for row in ids)
    return columns


def _id(cell: Any) -> Any:
    """The whole number of a cell; anything else as it is."""
    digits = cell.strip() if isinstance(cell, str) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else cell


def _image(cell: Any, images: Path | None) -> Any:
    """The image that a cell names; what is no string is left as it is, to be refused with the number of its row."""
    if cell is None or cell == "":
        return None
    return images / cell if images and isinstance(cell, str) else cell


def _lines(path: Path) -> Iterator[str]:
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline=None) as handle:
            for line in handle:
                number += 1
                yield line.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, after line {number}: {reason(error)}; save the file as UTF-8.") from error


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = csv.DictReader(handle)
            _check_columns(path, rows.fieldnames or [])
            for row in rows:
                if row["caption"] is None:
                    raise InputError(f"{path}, line {rows.line_num}: the row has no caption.")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): save it as a CSV table in UTF-8.") from error


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    pa = arrow()
    try:
        with pa.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_columns(path, names)
            columns = [name for name in ("caption", "image", "id") if name in names]
            for batch in file.iter_batches(layout.BATCH, columns=columns):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): replace it by an intact Parquet file.") from error


def _check_columns(path: Path, names: Iterable[str]) -> None:
    if "caption" not in names:
        shown = ", ".join(list(names)[:8]) or "none"
        raise InputError(f"{path} has no column 'caption' (its columns: {shown}): name that of the captions so.")
