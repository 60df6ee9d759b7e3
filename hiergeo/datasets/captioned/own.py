"""Captions in a user's file: CSV or JSON Lines that names images and what they show."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiergeo._core import limits
from hiergeo._core.errors import InputError, reason, unknown_name
from hiergeo._core.storage.documents import Anything, ListOf, Misfit, Record, Text, parse_json
from hiergeo._core.storage.texts import read_text
from hiergeo.datasets.captioned.collection import Captioned, file_ref, stripped

CURE = "name a CSV or JSON Lines file of images and captions"

Pair = tuple[int, str, list[str]]
"""The line of a file, the image that it names, and its captions."""


def caption_table(
    path: Path,
    images: Path | None = None,
    image_column: str = "image",
    caption_column: str = "caption",
    *,
    once: bool = False,
) -> Captioned:
    """Images and captions of a CSV file (with a header) or of a JSON Lines file (an object a line).

    Every line names an image by its file and has a caption; JSON Lines may have a list of captions in its place. Lines
    that name the same image give it several captions. Images get ids by order of appearance, from 0.

    Args:
        path: the file; ``.jsonl`` or ``.ndjson`` is JSON Lines, anything else CSV.
        images: the folder that the names of images are relative to; by default that of the file.
        image_column: the column or key of the image.
        caption_column: the column or key of the caption or captions.
        once: refuse an image that two lines name, instead of giving it the captions of both.

    Raises:
        UnavailableError: there is no such file, or it cannot be read.
        InputError: no such table, a column that is missing or there twice, one column for both, or a line without an
            image or a caption; the line is named.
    """
    if image_column == caption_column:
        raise InputError(f"images and captions cannot both be in the column '{image_column}': name two columns.")
    lines = path.suffix in (".jsonl", ".ndjson")
    read = _json_lines if lines else _csv_lines
    found: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    for line, image, captions in read(path, image_column, caption_column):
        if not image.strip() or "\0" in image:
            raise InputError(f"{path}, line {line}: the caption belongs to no image: name one under '{image_column}'.")
        if not captions or not all(caption.strip() for caption in captions):
            raise InputError(f"{path}, line {line}: {image} has no caption: give one under '{caption_column}'.")
        name = str(Path(image.strip()))
        if once and name in first:
            raise InputError(f"{path}, line {line}: line {first[name]} has {name} already: give each image one line.")
        first.setdefault(name, line)
        found.setdefault(name, []).extend(captions)
    if not found:
        raise InputError(f"{path} holds no images and captions: {CURE}.")
    folder = images or path.parent
    return Captioned(
        path.stem,
        "all",
        f"own data, {path.name}",
        tuple(file_ref(place, folder / image) for place, image in enumerate(found)),
        tuple(map(stripped, found.values())),
    )


def _csv_lines(path: Path, image_column: str, caption_column: str) -> Iterator[Pair]:
    reader = csv.reader(io.StringIO(read_text(path, CURE), newline=""), strict=True)
    try:
        header = next(reader, [])
        places = []
        for column in (image_column, caption_column):
            if column not in header:
                raise unknown_name("column", column, header or ["none"], f" of {path}")
            if header.count(column) > 1:
                raise InputError(f"{path} has the column '{column}' twice: rename or remove one.")
            places.append(header.index(column))
        for record in reader:
            if record and len(record) != len(header):
                raise InputError(f"{path}, line {reader.line_num}: {len(record)} cells for {len(header)} columns.")
            if record:
                yield reader.line_num, record[places[0]], [record[places[1]]]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: this is no CSV ({reason(error)}).") from error


def _json_lines(path: Path, image_column: str, caption_column: str) -> Iterator[Pair]:
    schema = Record({image_column: Text(), caption_column: Captions()}, rest=Anything())
    for number, line in enumerate(read_text(path, CURE).split("\n"), 1):
        if not line.strip():
            continue
        if len(line) > limits.RECORD_CHARACTERS:
            raise InputError(f"{path}, line {number}: a line may have {limits.RECORD_CHARACTERS:,} characters.")
        try:
            held = parse_json(line.encode())
            schema.check(held, "")
        except (Misfit, ValueError) as error:
            raise InputError(f"{path}, line {number}: {reason(error)}.") from error
        captions = held[caption_column]
        yield number, held[image_column], [captions] if isinstance(captions, str) else captions


class Captions:
    """The schema of a caption, or of a list of them."""

    def check(self, value: Any, where: str) -> None:
        """Raise `Misfit` unless it is either."""
        if isinstance(value, str):
            return
        if not isinstance(value, list):
            raise Misfit(where, value, "a caption or a list of captions")
        ListOf(Text()).check(value, where)
