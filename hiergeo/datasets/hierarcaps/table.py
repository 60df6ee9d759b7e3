"""Reading a CSV file, compressed or not, into its header and its records."""

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

from hiergeo.errors import InputError, UnavailableError


@dataclass(frozen=True)
class Table:
    """A CSV file: the names of its columns and its records, blank lines left out."""

    file: str
    header: list[str]
    records: list[list[str]]


def read_table(path: Path) -> Table:
    """Read the CSV file at `path` (UTF-8, gzip when its name ends in ``.gz``); cells may hold newlines.

    Raises:
        UnavailableError: there is no such file, or it cannot be opened.
        InputError: it is truncated, undecodable, not CSV, or has no records.
    """
    text = _decode(path, _bytes(path))
    try:
        header, *records = [record for record in csv.reader(io.StringIO(text, newline=""), strict=True) if record]
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file ({error}): replace it by an intact copy.") from error
    except ValueError:
        raise InputError(f"{path} is empty: replace it by an intact copy.") from None
    if not records:
        raise InputError(f"{path} has a header but no rows: replace it by an intact copy.")
    return Table(path.name, header, records)


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UnavailableError(
            f"{path} is not there: run `hiergeo data fetch hierarcaps`, "
            "or set HIERGEO_DATA_HOME to the folder that holds hierarcaps/."
        ) from None
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror or error}.") from error
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is truncated or not gzip ({error}): replace it by an intact copy.") from error


def _decode(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        intact = raw[: error.start].decode("utf-8-sig") + "?"
        row = sum(1 for record in csv.reader(io.StringIO(intact, newline="")) if record) - 2
        where = f"data row {row} (the first is 0)" if row >= 0 else "header"
        raise InputError(f"{path}, {where}: the bytes are not UTF-8; replace the file by an intact copy.") from error
