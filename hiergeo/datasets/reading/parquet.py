"""Parquet inputs, a few thousand rows at a time; a row group that is damaged is set aside and the others are read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiergeo._core import limits
from hiergeo._core.errors import reason
from hiergeo._core.storage.files import size_of
from hiergeo.datasets.reading.samples import Cells, Columns, Defect, Read, UnreadableError, in_table

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
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"{path} cannot be read as Parquet: {reason(error)}.") from error
    kept = [name for name in names if name is not None]
    row = 0
    for group in range(file.num_row_groups):
        ends = row + file.metadata.row_group(group).num_rows
        try:
            _check_size(file.metadata.row_group(group), kept)
            for batch in file.iter_batches(PICTURES if columns.pictures else ROWS, row_groups=[group], columns=kept):
                for at, cells in enumerate(_cells(batch, names, columns.pictures), row):
                    yield in_table(at, columns, path, names, cells)
                row += len(batch)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            yield Defect(row, f"row group {group} is damaged ({reason(error)})", max(ends - row, 1))
        row = max(row, ends)


def _check_size(group: Any, kept: list[str]) -> None:
    for chunk in (group.column(place) for place in range(group.num_columns)):
        most = max(limits.INFLATED_BYTES, limits.INFLATED_RATIO * chunk.total_compressed_size)
        if chunk.path_in_schema.partition(".")[0] in kept and chunk.total_uncompressed_size > most:
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

    if pa.types.is_list(column.type):
        return list(column.to_pylist())
    packed = pa.types.is_dictionary(column.type)
    raw = (column.dictionary if packed else column).cast(pa.large_binary())
    known = [
        None if value is None else value.decode("utf-8", "surrogateescape")
        for value in pc.binary_slice(raw, 0, 4 * limits.ITEM_CHARACTERS + 1).to_pylist()
    ]
    return [None if place is None else known[place] for place in column.indices.to_pylist()] if packed else known


def _images(column: Any, wanted: bool) -> list[Any]:
    """The bytes or the file name of each image; where bytes are not wanted, none."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_struct(kind):
        whole = [each or {} for each in column.to_pylist()]
        return [_kept(each.get("bytes"), wanted) if each.get("bytes") else each.get("path") for each in whole]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [_kept(each, wanted) for each in column.to_pylist()]
    if _is_text(kind):
        return list(column.to_pylist())
    raise pa.ArrowInvalid(f"images are {kind}, not bytes or names of files")


def _kept(image: bytes | None, wanted: bool) -> bytes | None:
    return image if wanted or image is None else b""


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
