"""Parquet inputs, a few thousand rows at a time; a row group that is damaged is set aside and the others are read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiergeo._core import limits
from hiergeo._core.errors import reason
from hiergeo._core.storage.files import size_of
from hiergeo.search.corpus.samples import Columns, Defect, Read, Sample, UnreadableError, image_file, spelled
from hiergeo.search.shards import arrow

ROWS, PICTURES = 4096, 64
"""Rows that are read at a time: of captions, and of images."""

HEADER_STRINGS, HEADER_LISTS = 1 << 26, 1 << 20
"""Bytes of a string and entries of a list in the description of a file."""


def read_parquet(path: Path, columns: Columns) -> Iterator[Read]:
    """The rows of a table, in its own order.

    Captions are strings. Images are bytes, names of files or structures of ``bytes`` and ``path``, as the library
    datasets writes them.
    """
    pa = arrow()
    if size_of(path) is None:
        raise UnreadableError(f"{path} is not there.")
    try:
        limits = {"thrift_string_size_limit": HEADER_STRINGS, "thrift_container_size_limit": HEADER_LISTS}
        schema = pa.parquet.ParquetFile(path, **limits).schema_arrow
        caption, image = columns.found(schema.names, path)
        kept = [name for name in (caption, image) if name is not None]
        if caption is not None and not _is_text(pa, schema.field(caption).type):
            raise UnreadableError(f"the column '{caption}' of {path} holds {schema.field(caption).type}, not strings.")
        file = pa.parquet.ParquetFile(path, read_dictionary=[caption] if caption else None, **limits)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"{path} cannot be read as Parquet: {reason(error)}.") from error
    row = 0
    for group in range(file.num_row_groups):
        ends = row + file.metadata.row_group(group).num_rows
        try:
            size = PICTURES if columns.pictures else ROWS
            for batch in file.iter_batches(size, row_groups=[group], columns=kept):
                yield from _samples(pa, row, batch, path, columns, caption, image)
                row += len(batch)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            yield Defect(row, f"row group {group} is damaged ({reason(error)})", max(ends - row, 1))
        row = max(row, ends)


def _samples(
    pa: Any, row: int, batch: Any, path: Path, columns: Columns, caption: str | None, image: str | None
) -> Iterator[Read]:
    texts = [None] * len(batch) if caption is None else _texts(pa, batch.column(caption))
    images = [None] * len(batch) if image is None else _images(pa, batch.column(image), columns.pictures)
    for place, (text, held) in enumerate(zip(texts, images, strict=True)):
        if isinstance(held, str):
            yield image_file(row + place, text, path.parent, held, columns.pictures)
        else:
            reference = None if image is None else spelled(f"{path}#{row + place}")
            yield Sample(row + place, text, held, reference)


def _texts(pa: Any, column: Any) -> list[str | None]:
    """Strings, of which none is decoded that is too long to be used; bytes that are no UTF-8 become surrogates."""
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        values, places = column.dictionary, column.indices
    else:
        values, places = column, None
    raw = values.cast(pa.large_binary())
    longest = 4 * limits.ITEM_CHARACTERS + 1
    known = [
        None if value is None else value.decode("utf-8", "surrogateescape")
        for value in pc.binary_slice(raw, 0, longest).to_pylist()
    ]
    return known if places is None else [None if place is None else known[place] for place in places.to_pylist()]


def _images(pa: Any, column: Any, wanted: bool) -> list[Any]:
    """The bytes or the file name of each image; None where bytes are not wanted."""
    kind = column.type
    if pa.types.is_struct(kind):
        names = [kind.field(place).name for place in range(kind.num_fields)]
        parts = [column.field(name).to_pylist() if name in names else [None] * len(column) for name in FIELDS]
        return [
            (inside if wanted else None) if inside is not None else name for inside, name in zip(*parts, strict=True)
        ]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.to_pylist() if wanted else [None] * len(column)
    if _is_text(pa, kind):
        return column.to_pylist()
    raise pa.ArrowInvalid(f"images are {kind}, not bytes or names of files")


FIELDS = ("bytes", "path")
"""Fields of the structure that the library datasets keeps images in."""


def _is_text(pa: Any, kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
