"""Inputs whose rows are several files under one key: the tar archives of WebDataset, and folders of images."""

import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, final

from hiergeo._core import limits
from hiergeo._core.errors import reason
from hiergeo._core.storage.documents import parse_json
from hiergeo.search.corpus.samples import BrokenError, Columns, Defect, Read, Sample, UnreadableError, opened, spelled
from hiergeo.search.queries import SUFFIXES

EXTENSIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, b"X")
"""Kinds of tar members that hold names and other facts of the next one, and are read whole."""


@dataclass(frozen=True)
class Part:
    """One file of a sample.

    Attributes:
        key: what the files of a sample have in common.
        ending: what comes after it, in lower case, with its dot.
        size: in bytes.
        reference: what it is called in answers.
        read: gives its bytes; a `Path` for a file of its own.
    """

    key: str
    ending: str
    size: int
    reference: str
    read: Callable[[], bytes]
    file: Path | None = None


def read_webdataset(path: Path, columns: Columns) -> Iterator[Read]:
    """The samples of a tar archive: consecutive files whose names agree up to the first dot.

    The caption is ``.txt``, or without one the usual column of ``.json``; a column that is named is one of ``.json``.
    The image has a usual suffix; a second image of one sample is a defect where images are wanted. Nothing is unpacked
    to a disk; links, devices, folders, hidden files and names without a dot are passed over.
    """
    return _samples(_members(path), columns, path)


def read_folder(path: Path, columns: Columns) -> Iterator[Read]:
    """The images of one folder in order of their stems, each with the caption in ``.txt`` or ``.json`` beside it."""
    return _samples(_files(path), columns, path)


def _samples(parts: Iterator[Part], columns: Columns, where: Path) -> Iterator[Read]:
    row = 0
    for _, held in groupby(parts, key=lambda part: part.key):
        for each in _sample(row, held, columns):
            yield each
            row += 1


def _sample(row: int, parts: Iterator[Part], columns: Columns) -> Iterator[Read]:
    """The sample of files of one key; behind it a defect for each further image, where images are wanted."""
    captions: dict[str, str | Defect | None] = {}
    image: bytes | Path | None = None
    reference: str | None = None
    fault: str | None = None
    more: list[str] = []
    wanted = (".json",) if columns.caption is not None else (".txt", ".json")
    for part in parts:
        if part.ending in wanted and part.ending not in captions:
            captions[part.ending] = _caption(part, columns)
        elif part.ending in SUFFIXES and reference is None:
            reference = part.reference
            if part.size > limits.IMAGE_BYTES:
                fault = f"the image has {part.size:,} bytes"
            elif columns.pictures:
                image = part.file if part.file is not None else part.read()
        elif part.ending in SUFFIXES and columns.pictures:
            more.append(part.reference)
    found = [captions[ending] for ending in wanted if captions.get(ending) is not None]
    caption = next((each for each in found if isinstance(each, str)), None)
    if caption is None:
        fault = next((each.reason for each in found if isinstance(each, Defect)), fault)
    yield Sample(row, caption, image, reference) if fault is None else Defect(row, fault)
    for place, name in enumerate(more, row + 1):
        yield Defect(place, f"{name} is a second image of one name: rename it")


def _caption(part: Part, columns: Columns) -> "str | Defect | None":
    if part.size > limits.RECORD_CHARACTERS:
        return Defect(0, f"{part.ending} has {part.size:,} bytes")
    raw = part.read()
    return raw.decode("utf-8", "surrogateescape").strip() if part.ending == ".txt" else _in_json(raw, columns)


def _in_json(raw: bytes, columns: Columns) -> "str | Defect | None":
    try:
        held = parse_json(raw)
        if not isinstance(held, dict):
            return Defect(0, "its JSON is no object")
        caption = held.get(Columns(caption=columns.caption).found(held, Path(".json"))[0] or "")
    except UnicodeDecodeError:
        return Defect(0, "the bytes are not UTF-8")
    except UnreadableError:
        return None
    except ValueError as error:
        return Defect(0, f"broken JSON ({reason(error)})")
    return caption if isinstance(caption, str | None) else Defect(0, "its caption is no string")


def _members(path: Path) -> Iterator[Part]:
    with opened(path) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=Header, errors="surrogateescape") as archive:
                for member in archive:
                    archive.members = []  # type: ignore[attr-defined]
                    base = member.name.rpartition("/")[2]
                    if member.isreg() and "." in base[1:] and not base.startswith("."):
                        yield _member(path, archive, member)
        except tarfile.TarError as error:
            raise _broken(error) from error


def _broken(error: Exception) -> BrokenError:
    return BrokenError(f"the archive is truncated or damaged: {reason(error)}")


def _member(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Part:
    def read() -> bytes:
        try:
            held = archive.extractfile(member)
            return b"" if held is None else held.read()
        except tarfile.TarError as error:
            raise _broken(error) from error

    return _part(member.name, member.size, f"{path}#{member.name}", read)


def _part(name: str, size: int, reference: str, read: Callable[[], bytes], file: Path | None = None) -> Part:
    folder, _, base = name.rpartition("/")
    stem, dot, ending = base.partition(".")
    return Part(f"{folder}/{stem}", f"{dot}{ending}".lower(), size, spelled(reference), read, file)


def _files(path: Path) -> Iterator[Part]:
    try:
        with os.scandir(path) as found:
            shown = (entry.name for entry in found if not entry.name.startswith("."))
            names = sorted(shown, key=lambda name: (Path(name).stem, Path(name).suffix.lower(), name))
    except OSError as error:
        raise BrokenError(reason(error)) from error
    for name in names:
        file = path / name
        if file.suffix.lower() in {*SUFFIXES, ".txt", ".json"} and file.is_file():
            stem = file.stem
            size, read = file.stat().st_size, file.read_bytes
            yield Part(stem, file.suffix.lower(), size, spelled(str(file)), read, file)


@final
class Header(tarfile.TarInfo):
    """The header of a member; damage in the middle of an archive is an error, which tarfile takes for its end."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "Header":
        """A header from its 512 bytes.

        Raises:
            BrokenError: it is damaged or missing, or announces a name of many megabytes.
        """
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            told = "its end is missing" if not buf else reason(error)
            raise BrokenError(f"the archive is truncated or damaged: {told}") from error
        if header.type in EXTENSIONS and header.size > limits.RECORD_CHARACTERS:
            raise BrokenError(f"the archive is damaged: a name of {header.size:,} bytes")
        return header
