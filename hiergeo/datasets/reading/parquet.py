"""Parquet inputs, which pyarrow reads a few thousand rows at a time; a damaged file is refused as a whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiergeo._core import limits
from hiergeo._core.errors import reason
from hiergeo._core.storage.files import size_of
from hiergeo.datasets.reading.samples import BrokenError, Cells, Columns, Read, UnreadableError, in_table

ROWS, PICTURES = 4096, 64
"""Rows that are read at a time: of captions, and of images."""

HEADER = {"thrift_string_size_limit": 1 << 26, "thrift_container_size_limit": 1 << 20}
"""Bytes of a string and entries of a list in the description of a file."""


def read_parquet(path: Path, columns: Columns) -> Iterator[Read]:
    """The rows of a table, in its own order.

    Captions are strings. Images are bytes, names of files or structures of ``bytes`` and ``path``, as the library
    datasets writes them.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    if size_of(path) is None:
        raise UnreadableError(f"{path} is not there.")
    try:
        schema = ParquetFile(path, **HEADER).schema_arrow
        names = columns.find(schema.names, path)
        kind = None if names.caption is None else schema.field(names.caption).type
        if kind is not None and not (_is_text(kind) or (columns.several and pa.types.is_list(kind))):
            raise UnreadableError(f"the column '{names.caption}' of {path} holds {kind}, not strings.")
        file = ParquetFile(path, read_dictionary=None if names.caption is None else [names.caption], **HEADER)
        used = [name for name in names if name is not None]
        _check_size(file.metadata, used)
        batches = file.iter_batches(PICTURES if columns.pictures else ROWS, columns=used)
        rows = (cells for batch in batches for cells in _cells(batch, names, columns.pictures))
        for row, cells in enumerate(rows):
            yield in_table(row, columns, path, names, cells)
    except UnreadableError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise BrokenError(reason(error)) from error


def _check_size(metadata: Any, used: list[str]) -> None:
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            most = max(limits.INFLATED_BYTES, limits.INFLATED_RATIO * chunk.total_compressed_size)
            if chunk.path_in_schema.partition(".")[0] in used and chunk.total_uncompressed_size > most:
                raise ValueError(f"it inflates to more than {most:,} bytes, as no real file does")


def _cells(batch: Any, names: Cells, pictures: bool) -> Iterator[Cells]:
    caption, image, number, boxes = (None if name is None else batch.column(name) for name in names)
    nothing = [None] * len(batch)
    return map(
        Cells,
        nothing if caption is None else _texts(caption),
        nothing if image is None else _images(image, pictures),
        nothing if number is None else number.to_pylist(),
        nothing if boxes is None else boxes.to_pylist(),
    )


def _texts(column: Any) -> list[Any]:
    """Strings, of which none is decoded that is too long to be used; bytes that are not UTF-8 become surrogates."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _is_text(column.type):
        return list(column.to_pylist())
    packed = pa.types.is_dictionary(column.type)
    raw = (column.dictionary if packed else column).cast(pa.large_binary())
    words = [
        None if value is None else value.decode("utf-8", "surrogateescape")
        for value in pc.binary_slice(raw, 0, 4 * limits.ITEM_CHARACTERS + 1).to_pylist()
    ]
    return [None if index is None else words[index] for index in column.indices.to_pylist()] if packed else words


def _images(column: Any, bytes_too: bool) -> list[Any]:
    """The bytes or the file name of each image; where bytes are not wanted, none."""
    if _is_text(column.type):
        return _texts(column)
    images = [cell.get("bytes") or cell.get("path") if isinstance(cell, dict) else cell for cell in column.to_pylist()]
    return images if bytes_too else [b"" if isinstance(image, bytes) else image for image in images]


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
