"""Inputs whose rows are several files under one key: the tar archives of WebDataset, and folders of images."""

import re
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, final

from hiergeo._core import limits
from hiergeo._core.errors import reason
from hiergeo._core.storage.documents import parse_json
from hiergeo.datasets.pictures import SUFFIXES
from hiergeo.datasets.reading.lines import opened
from hiergeo.datasets.reading.samples import (
    Box,
    BrokenError,
    Cells,
    Columns,
    Defect,
    Read,
    UnreadableError,
    broken_json,
    fault_of,
    sample,
    spelled,
)

EXTENSIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, b"X")
"""Kinds of tar members that hold names and other facts of the next one, and are read whole."""

BOX = re.compile(r"\.parent(\d{3})(\.\w+)")
"""The endings of the files of a box in GRIT as HyCoCLIP stores it: a more general part of the picture, the child."""


class _Part(NamedTuple):
    """One file of a sample: the key that its files have in common, and the ending behind it, in lower case."""

    key: str
    ending: str
    size: int
    reference: str
    read: Callable[[], bytes]
    file: Path | None = None


def read_webdataset(path: Path, columns: Columns) -> Iterator[Read]:
    """The samples of a tar archive: consecutive files whose names agree up to the first dot.

    The caption is ``.txt``, or without one the usual column of ``.json``; a column that is named is one of ``.json``.
    The image has a usual suffix; a second image of one sample is a defect where images are wanted. ``.child`` may stand
    before either ending, and boxes are ``.parent000.jpg`` with ``.parent000.txt`` and so on. Nothing is unpacked to a
    disk; links, devices, folders, hidden files and names without a dot are passed over.

    The library webdataset is not used: it takes damage in the middle of an archive for its end, without a word, and
    reads members of any size.
    """
    return _samples(_members(path), columns)


def read_folder(path: Path, columns: Columns) -> Iterator[Read]:
    """The images of one folder in order of their stems, each with the caption in ``.txt`` or ``.json`` beside it."""
    return _samples(_files(path), columns)


def _samples(parts: Iterator[_Part], columns: Columns) -> Iterator[Read]:
    row = 0
    for _, files in groupby(parts, key=lambda part: part.key):
        for record in _sample(row, files, columns):
            yield record
            row += 1


def _sample(row: int, parts: Iterator[_Part], columns: Columns) -> Iterator[Read]:
    """The sample of files of one key; behind it a defect for each further image, where images are wanted."""
    captions: dict[str, Any] = {}
    image: bytes | Path | None = None
    reference = fault = None
    more: list[str] = []
    boxes: dict[str, dict[str, bytes]] = {}
    endings = (".json",) if columns.caption is not None else (".txt", ".json")
    for part in parts:
        if box := BOX.fullmatch(part.ending):
            kind, most = ("text", limits.RECORD_CHARACTERS) if box[2] == ".txt" else ("image", limits.IMAGE_BYTES)
            if columns.boxes and part.size <= most and box[2] in {".txt", *SUFFIXES}:
                boxes.setdefault(box[1], {})[kind] = part.read()
        elif part.ending in endings and part.ending not in captions:
            captions[part.ending] = _caption(part, columns)
        elif part.ending in SUFFIXES and reference is None:
            reference = part.reference
            if part.size > limits.IMAGE_BYTES:
                fault = f"the image has {part.size:,} bytes"
            elif columns.pictures:
                image = part.file if part.file is not None else part.read()
        elif part.ending in SUFFIXES and columns.pictures:
            more.append(part.reference)
    candidates = [captions[ending] for ending in endings if captions.get(ending) is not None]
    caption = next((candidate for candidate in candidates if not isinstance(candidate, Defect)), None)
    if caption is None and candidates:
        fault = candidates[0].reason
    cells = Cells(caption, image, None, _cut_out(boxes))
    yield sample(row, columns, cells, reference, reference or "") if fault is None else Defect(row, fault)
    for number, name in enumerate(more, row + 1):
        yield Defect(number, f"{name} is a second image of one name: rename it")


def _cut_out(boxes: dict[str, dict[str, bytes]]) -> list[Box]:
    """The boxes that have a picture and a phrase, in order of their numbers."""
    whole = (boxes[number] for number in sorted(boxes) if len(boxes[number]) == 2)
    cut = [Box(box["text"].decode("utf-8", "surrogateescape").strip(), box["image"]) for box in whole]
    return [box for box in cut if fault_of(box.phrase) is None]


def _caption(part: _Part, columns: Columns) -> Any:
    """The caption in a file: a string or whatever its JSON has in place of one; a defect for a broken file."""
    if part.size > limits.RECORD_CHARACTERS:
        return Defect(0, f"{part.ending} has {part.size:,} bytes")
    raw = part.read()
    if part.ending == ".txt":
        return raw.decode("utf-8", "surrogateescape").strip()
    try:
        value = parse_json(raw)
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        return value.get(Columns(caption=columns.caption).find(list(value), Path(".json")).caption)
    except UnreadableError:
        return None
    except ValueError as error:
        return Defect(0, broken_json(error))


def _members(path: Path) -> Iterator[_Part]:
    with (
        opened(path) as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=Header, errors="surrogateescape") as archive,
    ):
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # frees the headers, which typeshed does not know
            folder, _, base = member.name.rpartition("/")
            stem, dot, ending = base.partition(".")
            if member.isreg() and dot and stem:
                reference, read = spelled(f"{path}#{member.name}"), partial(_content, archive, member)
                ending = f".{ending}".lower().removeprefix(".child")
                yield _Part(f"{folder}/{stem}", ending, member.size, reference, read)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    handle = archive.extractfile(member)
    return b"" if handle is None else handle.read()


def _files(path: Path) -> Iterator[_Part]:
    files = [file for file in path.iterdir() if not file.name.startswith(".")]
    for file in sorted(files, key=lambda file: (file.stem, file.suffix.lower(), file.name)):
        ending = file.suffix.lower()
        if ending in {*SUFFIXES, ".txt", ".json"} and file.is_file():
            yield _Part(file.stem, ending, file.stat().st_size, spelled(str(file)), file.read_bytes, file)


@final
class Header(tarfile.TarInfo):
    """The header of a member; damage in the middle of an archive is an error, which tarfile takes for its end."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "Header":
        """A header from its 512 bytes. Raises BrokenError for damage, and for a name of many megabytes."""
        return cls._checked(super().frombuf, buf, encoding, errors)

    @classmethod
    def _frombuf(cls, *fields: Any, **named: Any) -> "Header":  # which later releases of Python call instead
        return cls._checked(super()._frombuf, *fields, **named)  # type: ignore[misc]  # unknown to typeshed

    @staticmethod
    def _checked(read: "Callable[..., Header]", *fields: Any, **named: Any) -> "Header":
        try:
            header = read(*fields, **named)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # unknown to typeshed
            raise
        except tarfile.HeaderError as error:
            raise BrokenError(f"the archive is truncated or damaged: {reason(error)}") from error
        if header.type in EXTENSIONS and header.size > limits.RECORD_CHARACTERS:
            raise BrokenError(f"the archive is damaged: a name of {header.size:,} bytes")
        return header
