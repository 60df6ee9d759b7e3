"""The inputs under a path, and which reader reads which."""

import glob
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Annotated

from pydantic import Field

from hiergeo._core.errors import InputError, reason
from hiergeo._core.storage.documents import STRICT, Int64
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.pictures import SUFFIXES
from hiergeo.datasets.reading.archives import read_folder, read_webdataset
from hiergeo.datasets.reading.columnar import arrow_files, read_columnar
from hiergeo.datasets.reading.lines import read_csv, read_json_lines, read_text
from hiergeo.datasets.reading.samples import BrokenError, Columns, Defect, Read, Sample, UnreadableError

READERS: dict[str, Callable[[Path, Columns], Iterator[Read]]] = {
    ".parquet": read_columnar,
    ".arrow": read_columnar,
    ".csv": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".tar": read_webdataset,
    ".tgz": read_webdataset,
    ".txt": read_text,
}
"""Suffix -> reader; all but Parquet and Arrow may be compressed (``.csv.gz``, ``.csv.zst``, ``.csv.bz2``)."""

KNOWN = f"{', '.join(READERS)} (also with .gz, .zst or .bz2), or a folder of images"

MOST = 1 << 20
"""Inputs that an index can have; smaller ids than `MOST` << 32 = 2^52 are those of their rows."""


def suffix_of(path: Path) -> str:
    """The suffix that tells the format of a file, in lower case; that of a compression is passed over."""
    name = Path(path.name.lower())
    return Path(name.stem if name.suffix in (".gz", ".zst", ".bz2") else name).suffix


def is_input(path: Path) -> bool:
    """Whether a file has the suffix of a format that can be read."""
    return suffix_of(path) in READERS


def read(path: Path, columns: Columns) -> Iterator[Read]:
    """The rows of an input, a file or a folder of images, in bounded memory; defects in place of rows without use.

    Damage to the file ends it: with an error if there is no row before it, with a `Defect` otherwise.

    Raises:
        UnreadableError: no row of it can be read.
    """
    row = -1
    try:
        for record in (read_folder if path.is_dir() else READERS[suffix_of(path)])(path, columns):
            row = record.row
            yield record
    except (BrokenError, tarfile.TarError, OSError) as error:
        if row < 0:
            raise UnreadableError(f"{path} cannot be read: {reason(error)}.") from error
        yield Defect(row + 1, f"from here on the file cannot be read ({reason(error)})", ends=True)


def peek(path: Path, columns: Columns) -> None:
    """Read the first row, so that a missing column is noticed early; raises UnreadableError as `read`."""
    next(read(path, columns), None)


def sound(path: Path | str, columns: Columns) -> Iterator[Sample]:
    """The rows of all inputs under a path, none of which may be damaged.

    Raises:
        InputError: there is no input, or on the way a row that cannot be used; file, row and fault are named.
    """
    inputs = listing(path, columns)
    for source in inputs.sources:
        for record in read(inputs.base / source.name, columns):
            if isinstance(record, Defect):
                where = f"{inputs.base / source.name}, row {record.row} (the first is 0)"
                raise InputError(f"{where}: {record.reason}; correct the file.")
            yield record


@dataclass(frozen=True)
class Source:
    """One input, a file or a folder of images, by its path below the folder that is searched.

    `bytes` is the size of all its files (-1 is unknown), `modified` the last change in nanoseconds.
    """

    __pydantic_config__ = STRICT

    name: str
    bytes: Annotated[int, Field(ge=-1)]
    modified: Int64


@dataclass(frozen=True)
class Inputs:
    """The inputs under a path, in order of their names, and the folder that these are relative to."""

    base: Path
    sources: tuple[Source, ...]


def listing(inputs: Path | str, columns: Columns, out: Path | None = None) -> Inputs:
    """The inputs under a path: a file, a folder that is searched through, or a pattern such as ``data/*.parquet``.

    Hidden files, links to folders and the folder `out` are passed over. A folder that holds images itself is one input
    where images are wanted, or where captions stand beside them.

    Raises:
        InputError: there are none, or a file of an unknown format.
    """
    given = path_of(inputs)
    base = given if given.is_dir() else given.parent
    if given.is_dir():
        paths = set(_below(given, columns, None if out is None else out.resolve()))
    elif given.exists():
        paths = {given}
    elif glob.has_magic(str(given)):
        base = Path(*takewhile(lambda part: not glob.has_magic(part), given.parts))
        matches = base.glob(str(given.relative_to(base)))
        paths = {match for match in matches if match.is_file() and "/." not in f"/{match.relative_to(base)}"}
    else:
        raise InputError(f"{given} is not there: name a file, a folder or a pattern of inputs.")
    if not paths:
        raise InputError(f"{given} holds no inputs: files of {KNOWN}.")
    if len(paths) > MOST:
        raise InputError(f"{given} holds {len(paths):,} inputs: at most {MOST:,} can be taken.")
    for path in paths:
        if not (is_input(path) or path.is_dir()):
            raise InputError(f"{path} is of a format that cannot be read: name a file of {KNOWN}.")
    names = {path: path.relative_to(base).as_posix() or "." for path in paths}
    return Inputs(base, tuple(_source(path, names[path]) for path in sorted(paths, key=names.__getitem__)))


def _below(folder: Path, columns: Columns, out: Path | None) -> Iterator[Path]:
    for walked, folders, files in os.walk(folder):
        inside = Path(walked)
        folders[:] = [name for name in folders if not name.startswith(".") and (inside / name).resolve() != out]
        saved = [path.name for path in arrow_files(inside)]
        names = saved or [name for name in files if not name.startswith(".")]
        keys = {Path(name).stem for name in names if Path(name).suffix.lower() in SUFFIXES}
        beside = {name for name in names if Path(name).stem in keys and Path(name).suffix.lower() in (".txt", ".json")}
        if keys and (columns.pictures or beside):
            yield inside
        yield from (inside / name for name in names if name not in beside and is_input(Path(name)))


def _source(path: Path, name: str) -> Source:
    spelled = os.fsencode(name).decode("utf-8", "surrogateescape")
    try:
        files = [path] if not path.is_dir() else [file for file in path.iterdir() if file.is_file()]
        facts = [file.stat() for file in files]
    except OSError:
        return Source(spelled, -1, 0)
    return Source(spelled, sum(f.st_size for f in facts), max((f.st_mtime_ns for f in facts), default=0))
