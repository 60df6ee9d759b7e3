"""Which reader reads which input."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from hiergeo.search.corpus.archives import read_folder, read_webdataset
from hiergeo.search.corpus.lines import read_csv, read_json_lines, read_text, read_tsv
from hiergeo.search.corpus.parquet import read_parquet
from hiergeo.search.corpus.samples import Columns, Read, checked

Reader: TypeAlias = Callable[[Path, Columns], Iterator[Read]]

READERS: dict[str, Reader] = {
    ".parquet": read_parquet,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".tar": read_webdataset,
    ".tgz": read_webdataset,
    ".txt": read_text,
}
"""Suffix -> reader; all but Parquet may be compressed with gzip (``.csv.gz``)."""

PACKED = ".gz"


def suffix_of(path: Path) -> str:
    """The suffix that tells the format of a file, in lower case; that of gzip is passed over."""
    name = path.name.lower().removesuffix(PACKED)
    return Path(name).suffix


def is_input(path: Path) -> bool:
    """Whether a file has the suffix of a format that can be read."""
    return suffix_of(path) in READERS


def read(path: Path, columns: Columns) -> Iterator[Read]:
    """The rows of an input, a file or a folder of images, in bounded memory; see `samples.checked`.

    Raises:
        UnreadableError: no row of it can be read.
    """
    reader = read_folder if path.is_dir() else READERS[suffix_of(path)]
    return checked(reader(path, columns), columns, path)


def peek(path: Path, columns: Columns) -> None:
    """Read the first row, so that a missing column is noticed before a model is loaded.

    Raises:
        UnreadableError: no row can be read.
    """
    for _ in islice(read(path, columns), 1):
        pass
