"""A collection as a folder that browsers open: the page, and every answer about its items found beforehand.

| file | what |
|---|---|
| ``index.html``, ``page/`` | the page, which reads the files below ``data`` instead of asking a server |
| ``data/collection.json`` | what is explored, and how it is stored |
| ``data/items.json`` | the items in ascending order of ids, each with the number of its picture |
| ``data/column-N.json`` | bins of the items in a column, 255 without a value |
| ``data/pictures/`` | small pictures, `PICTURES` a file, in base64 of WebP |
| ``data/lens-KEY/`` | radii, map, tiles, audit and answers (see `answers_of`) |
| ``export.json`` | all files and their sizes |
| ``README.md`` | what a Space of Hugging Face needs to know |

A file below ``data`` has ``.js`` added to its name, and is a script that hands over the base64 of its zlib stream:
browsers load no other data from a disk. The same collection gives the same bytes.
"""

import base64
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch

from hiergeo._core.errors import InputError
from hiergeo._core.progress import begin, track
from hiergeo._core.records import plain
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Count, Document, Positive
from hiergeo._core.storage.files import atomic_folder, path_of, refuse_existing, writing
from hiergeo._core.text import one_line, shortened
from hiergeo.evaluation.auditing.population import Ids
from hiergeo.geometry.space import Side
from hiergeo.report.explorer.answers import AnswerWriter, written
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.facts import collection_facts
from hiergeo.report.explorer.items import read_items
from hiergeo.report.explorer.mapping import build_map
from hiergeo.report.explorer.pages import INDEX, SCRIPT, classic, page_file, page_files
from hiergeo.report.explorer.survey import survey_of
from hiergeo.report.explorer.thumbnails import SIDES, Thumbnails
from hiergeo.search import Answer, Hit, Item, Request
from hiergeo.search.requests import Kind
from hiergeo.search.serving.limits import Limits
from hiergeo.search.sweep import RadiusRange

MOST = 50_000
"""Items of a page without a server: its files are some 35 MB a space."""

CHUNK, PICTURES = 512, 128
"""Items whose answers, and pictures, are in one file."""

K, STEPS = 10, 50
"""Hits of children, parents and neighbours, and thresholds of a ladder."""

WIDE = 3 * K
"""Items of any radius that are looked through for the hits above or below an item."""

ASKED: dict[Kind, dict[str, Any]] = {
    "children": {"k": WIDE, "distinct": False},
    "parents": {"k": WIDE, "distinct": False},
    "neighbours": {"k": K},
    "ladder": {"thresholds": STEPS},
    "count": {},
}
"""What is asked about every item."""

NUMBERS, DIGITS = ("distance", "margin", "angle", "is_query", "entails", "rank"), 5
"""What is stored of a hit, and significant digits of numbers."""

SIZES = ((500, 192, 80), (2_000, 160, 60), (5_000, 96, 60), (10_000, 64, 60), (50_000, 40, 30))
"""Pictures at most, their longest side in pixels, and quality of WebP: 5 to 20 MB in all."""

CAPTION = 500
"""Characters of a caption that a page holds."""

POLICY = "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src blob: data:"
"""What the page may load: its scripts and styles alone; on a disk 'self' is none of them to Firefox."""

NO_SCRIPT = '<noscript><p class="opening">The explorer needs JavaScript.</p></noscript>'

SPACE = """---
title: {title}
sdk: static
app_file: index.html
---
An explorer of embeddings in an entailment hierarchy, written by `hiergeo explore --export DIR`. It needs no server: all
of its answers are files. Open `index.html`, or put this folder on any web server.
"""
"""README of a Space of Hugging Face."""

RECORD, VERSION = "export.json", 1


class _Record(Document):
    """What `RECORD` holds."""

    explorer: Positive
    files: dict[str, Count]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: it.
        items: that the page holds.
        files: how many.
        bytes: of all files.
        pictures: how many the page holds.
    """

    folder: Path
    items: int
    files: int
    bytes: int
    pictures: int


def export_page(
    collection: Collection,
    folder: Path | str,
    *,
    overwrite: bool = False,
    progress: bool = False,
) -> Exported:
    """Write a collection as a folder that browsers open, from a disk or any web server; whole or not at all.

    Args:
        collection: to be shown.
        folder: a new or empty one, or with `overwrite` an earlier export.
        overwrite: replace an earlier export.
        progress: draw a bar for work that outlasts a second.

    Raises:
        InputError: the folder holds an export and `overwrite` is false, or something else; or there are too many items.
        UnavailableError: the folder cannot be written; what was there is left as it was.
    """
    target, count = check_target(folder, overwrite), len(collection.first)
    if count > MOST:
        raise InputError(
            f"a page without a server holds up to {MOST:,} items and this collection has {count:,}: export an "
            f"index of some of them."
        )
    with atomic_folder(target) as scratch:
        files = _Files(scratch)
        pictures = _write(collection, files, progress)
        documents.write(scratch / RECORD, {"explorer": VERSION, "files": dict(sorted(files.sizes.items()))})
        files.sizes[RECORD] = (scratch / RECORD).stat().st_size
        check_target(target, overwrite)
    return Exported(target, count, len(files.sizes), sum(files.sizes.values()), pictures)


@final
class _Files:
    """The files of an export while they are written, and their sizes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sizes: dict[str, int] = {}

    def add(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.sizes[name] = len(content)

    def data(self, name: str, content: bytes) -> None:
        held = base64.b64encode(zlib.compress(content, 9)).decode()
        self.add(f"data/{name}.js", f'document.currentScript.held = "{held}";\n'.encode())

    def json(self, name: str, values: Any) -> None:
        self.data(name, written(values))


def _write(collection: Collection, files: _Files, progress: bool) -> int:
    """Write everything; returns how many pictures there are."""
    store, writer = collection.first.store, AnswerWriter(collection)
    ids = read_items(store).ids
    for lens in track(collection.lenses, "maps, audits and answers of spaces", enabled=progress):
        _write_lens(lens, collection, writer, ids, files)
    _write_page(collection, files)
    begin("scaling pictures", enabled=progress)
    items = writer.items(torch.from_numpy(ids), store.labels(torch.from_numpy(ids)))
    numbers, pictures = album_of(collection.pictures, [int(item["id"]) for item in items if item["image"]])
    for number, start in enumerate(range(0, len(pictures), PICTURES)):
        some = [base64.b64encode(picture).decode() for picture in pictures[start : start + PICTURES]]
        files.json(f"pictures/{number}.json", some)
    files.json("items.json", [_short(item | {"picture": numbers.get(int(item["id"]))}) for item in items])
    columns = collection.columns()
    for number, column in enumerate(columns.columns):
        files.json(f"column-{number}.json", column.bins.tolist())
    stored = {"chunk": CHUNK, "numbers": NUMBERS, "pictures": PICTURES}
    facts = collection_facts(collection, Limits())
    files.json("collection.json", facts | {"columns": columns.facts(), "stored": stored})
    return len(pictures)


def _write_lens(lens: Lens, collection: Collection, writer: AnswerWriter, ids: Ids, files: _Files) -> None:
    name = f"lens-{lens.key}"
    radius = lens.index.store.fetch(torch.from_numpy(ids)).radius(lens.space.geometry).float()
    files.json(f"{name}/radii.json", plain(radius.tolist()))
    drawn = build_map(lens, collection.tiers)
    files.json(f"{name}/map.json", drawn.facts())
    for level, x, y, _ in drawn.facts()["tiles"]:
        files.data(f"{name}/tiles/{level}-{x}-{y}.bin", drawn.tile(level, x, y))
    files.json(f"{name}/audit.json", survey_of(lens, collection.tiers, collection.hierarchy).as_dict())
    for number, answers in enumerate(answers_of(lens, writer, ids)):
        files.json(f"{name}/answers/{number}.json", answers)


def answers_of(lens: Lens, writer: AnswerWriter, ids: Ids) -> Iterator[list[dict[Kind, Any]]]:
    """What a server answers about every item of a lens, ids (n,) ascending, `CHUNK` of them at a time, by kind.

    A hit is the row of its item among all, followed by its `NUMBERS`.
    """
    rows = {str(item): row for row, item in enumerate(ids.tolist())}
    for start in range(0, len(ids), CHUNK):
        queries = list(map(Item, ids[start : start + CHUNK].tolist()))
        about: list[dict[Kind, Any]] = [{} for _ in queries]
        for kind, options in ASKED.items():
            requests = [Request(kind, query, space=lens.space, **options) for query in queries]
            results: list[Any] = lens.index.search(requests)
            if kind in ("children", "parents"):
                results = _strict(lens, kind, requests, results)
            for each, request, result in zip(about, requests, results, strict=True):
                each[kind] = _short(writer.answer(lens, request, result), rows)
        yield about


def _strict(lens: Lens, side: Side, requests: Sequence[Request], answers: Sequence[Answer]) -> list[Any]:
    """The answers of strict searches for children or parents, from those of searches of any radius.

    A strict search has radii of its own, and would be a pass of its own: few are left to be asked.
    """
    found: list[Any] = [replace(answer, hits=_first(side, answer)) for answer in answers]
    few = [at for at, wide in enumerate(answers) if len(found[at].hits) < K and len(wide.hits) == WIDE]
    again = [Request(side, requests[at].query, space=lens.space, k=K, strict=True) for at in few]
    for at, answer in zip(few, lens.index.search(again), strict=True):
        found[at] = answer
    return found


def _first(side: Side, answer: Answer) -> tuple[Hit, ...]:
    """The first `K` hits on a side of the query, of each caption the first."""
    span, seen = RadiusRange.strict(side, answer.radius), dict[Any, Hit]()
    for hit in answer.hits:
        if span.low <= hit.radius <= span.high:
            seen.setdefault(hit.key, hit)
    return tuple(seen.values())[:K]


def _short(value: Any, rows: Mapping[str, int] | None = None) -> Any:
    """A value of JSON whose numbers have `DIGITS` digits, texts `CAPTION` characters, and hits stand by their rows."""
    match value:
        case float():
            return float(f"{value:.{DIGITS}g}")
        case str():
            return shortened(value, CAPTION)
        case {"distance": _} if rows is not None:
            return [rows[value["id"]], *(_short(value[name]) for name in NUMBERS)]
        case dict():
            return {name: _short(part, rows) for name, part in value.items()}
        case list():
            return [_short(part, rows) for part in value]
    return value


def _write_page(collection: Collection, files: _Files) -> None:
    """Write the files of the page, which is told that it has no server, and the README of a Space."""
    script, modules = classic()
    files.add(f"page/{SCRIPT}", script.encode())
    for name in sorted(page_files() - {INDEX} - modules):
        files.add(f"page/{name}", page_file(name))
    html = page_file(INDEX).decode()
    charset = '<meta charset="utf-8">'
    for old, new in (
        ('data-source="live"', 'data-source="static"'),
        ('<script type="module"', "<script defer"),
        (charset, f'{charset}\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
    ):
        assert old in html
        html = html.replace(old, new)
    html = re.sub(r"<noscript>.*?</noscript>", NO_SCRIPT, html, flags=re.DOTALL)
    files.add("index.html", html.encode())
    title = json.dumps(shortened(one_line(collection.title), 60), ensure_ascii=False)
    files.add("README.md", SPACE.format(title=title).encode("utf-8", "replace"))


def album_of(thumbnails: Thumbnails | None, ids: Sequence[int]) -> tuple[dict[int, int], list[bytes]]:
    """The small pictures of some items, as WebP, and their numbers by the ids of items.

    Items of one file share a picture; those whose picture may not be shown or cannot be read have none.
    """
    shown: dict[Path, list[int]] = {}
    numbers: dict[int, int] = {}
    pictures: list[bytes] = []
    if thumbnails is None:
        return numbers, pictures
    for item in ids:
        path = thumbnails.path(item)
        if path is not None:
            shown.setdefault(path, []).append(item)
    side, quality = next(size for most, *size in SIZES if len(shown) <= most)
    for group in shown.values():
        with suppress(InputError):
            pictures.append(_small(thumbnails.jpeg(group[0], SIDES[-1]), side, quality))
            numbers |= dict.fromkeys(group, len(pictures) - 1)
    return numbers, pictures


def _small(jpeg: bytes, side: int, quality: int) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.thumbnail((side, side), reducing_gap=2.0)
        picture.convert("RGB").save(content, "WEBP", quality=quality, method=4)
    return content.getvalue()


def check_target(folder: Path | str, overwrite: bool = False) -> Path:
    """The absolute path of a folder that an export can be written to: a new or empty one, or an export to replace.

    Raises:
        InputError: it holds an export that is not to be replaced, or what no export wrote.
    """
    target = path_of(folder).absolute()
    with writing(target):
        if not target.exists() or (target.is_dir() and not any(target.iterdir())):
            return target
        if not target.is_dir() or not (target / RECORD).is_file():
            raise InputError(f"{target} is there already and is not an export: choose another folder.")
        refuse_existing(target, overwrite)
        sizes = {**documents.read(target / RECORD, _Record).files, RECORD: (target / RECORD).stat().st_size}
        for path in sorted(target.rglob("*")):
            name = path.relative_to(target).as_posix()
            if path.is_dir() and not path.is_symlink():
                continue
            if sizes.get(name) != path.stat().st_size:
                raise InputError(
                    f"{target} holds {name}, which its export did not write: choose another folder, or move it."
                )
    return target
