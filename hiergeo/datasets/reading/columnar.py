"""Parquet and Arrow, which pyarrow reads a few thousand rows at a time; a damaged file is refused as a whole."""

import json
from collections.abc import Iterator, Sequence
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


FEATHER = b"ARROW1"
"""The first bytes of an Arrow file of random access."""

STATE = "state.json"
"""The file of a folder that the library datasets saved, which names its Arrow files."""


def arrow_files(folder: Path) -> list[Path]:
    """The Arrow files of a folder that the library datasets saved, in their order; empty for any other folder.

    Raises:
        UnreadableError: the file that lists them is damaged.
    """
    try:
        listed = json.loads((folder / STATE).read_bytes())["_data_files"]
        return [folder / Path(entry["filename"]).name for entry in listed]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UnreadableError(f"{folder / STATE} is damaged ({reason(error)}): save the data again.") from error


def columnar_rows(path: Path) -> Iterator[list[Any]]:
    """The names of all columns of a Parquet or Arrow file, then the cells of every row.

    Raises:
        BrokenError: on the way, the file is damaged.
    """
    import pyarrow as pa

    try:
        yield list(schema_of(path).names)
        for batch in columnar_parts(path, 256):
            yield from map(list, zip(*(column.to_pylist() for column in batch.columns), strict=True))
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise BrokenError(reason(error)) from error


def schema_of(path: Path) -> Any:
    """The columns of a Parquet or Arrow file, as pyarrow names them."""
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, **HEADER).schema_arrow if path.suffix.lower() == ".parquet" else _arrow(path)[0]


def columnar_parts(
    path: Path, rows: int = ROWS, used: Sequence[str] | None = None, words: str | None = None
) -> Iterator[Any]:
    """Parts of a table, of some of its columns or all; those of Arrow files are as they were written.

    In Parquet the values of the column `words` are decoded once where they repeat.
    """
    from pyarrow.parquet import ParquetFile

    columns = None if used is None else list(used)
    if path.suffix.lower() != ".parquet":
        return (batch if columns is None else batch.select(columns) for batch in _arrow(path)[1])
    file = ParquetFile(path, read_dictionary=None if words is None else [words], **HEADER)
    _check_size(file.metadata, columns or file.schema_arrow.names)
    return iter(file.iter_batches(rows, columns=columns))


def _arrow(path: Path) -> tuple[Any, Iterator[Any]]:
    """The schema and the batches of an Arrow file, a stream as datasets writes it or of random access (Feather)."""
    import pyarrow as pa

    source = pa.memory_map(str(path))
    if source.read(len(FEATHER)) == FEATHER:
        file = pa.ipc.open_file(source)
        return file.schema, map(file.get_batch, range(file.num_record_batches))
    source.seek(0)
    stream = pa.ipc.open_stream(source)
    return stream.schema, iter(stream)


def read_columnar(path: Path, columns: Columns) -> Iterator[Read]:
    """The rows of a table, in its own order.

    Captions are strings. Images are bytes, names of files or structures of ``bytes`` and ``path``, as the library
    datasets writes them.
    """
    import pyarrow as pa

    if size_of(path) is None:
        raise UnreadableError(f"{path} is not there.")
    try:
        schema = schema_of(path)
        names = columns.find(schema.names, path)
        kind = None if names.caption is None else schema.field(names.caption).type
        if kind is not None and not (_is_text(kind) or (columns.several and pa.types.is_list(kind))):
            raise UnreadableError(f"the column '{names.caption}' of {path} holds {kind}, not strings.")
        used = [name for name in names if name is not None]
        batches = columnar_parts(path, PICTURES if columns.pictures else ROWS, used, names.caption)
        rows = (cells for batch in batches for cells in _cells(batch, names, columns.pictures))
        for row, cells in enumerate(rows):
            yield in_table(row, columns, path, names, cells)
    except UnreadableError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise BrokenError(reason(error)) from error


def _check_size(metadata: Any, used: Sequence[str]) -> None:
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
