"""A collection as a folder that browsers open: the page, and every answer about its items found beforehand.

| file | what |
|---|---|
| ``index.html``, ``page/`` | the page, which reads the files below ``data`` instead of asking a server |
| ``data/collection.json`` | what is explored, and how it is stored |
| ``data/items.json`` | ids, captions, and the words that chains say of a caption beside its own; null if unknown |
| ``data/items.bin`` | uint32 numbers of pictures, int8 tiers, uint8 1 for an item of an image |
| ``data/column-N.bin`` | uint8 bins of the items in a column, 255 without a value |
| ``data/pictures/`` | small pictures, see `Album` |
| ``data/lens-KEY/`` | radii, answers (see `hiergeo.report.explorer.packing`), map, tiles and audit |
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
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from hiergeo._core.errors import InputError
from hiergeo._core.progress import begin, track
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Count, Document, Positive
from hiergeo._core.storage.files import atomic_folder, path_of, refuse_existing, writing
from hiergeo._core.text import one_line, shortened
from hiergeo.evaluation.auditing.population import Ids
from hiergeo.report.explorer import packing
from hiergeo.report.explorer.answers import written
from hiergeo.report.explorer.collection import Collection, Lens
from hiergeo.report.explorer.facts import collection_facts
from hiergeo.report.explorer.items import Tiers, read_items, words_of
from hiergeo.report.explorer.mapping import build_map
from hiergeo.report.explorer.pages import INDEX, SCRIPT, classic, page_file, page_files
from hiergeo.report.explorer.survey import survey_of
from hiergeo.report.explorer.thumbnails import SIDES, Thumbnails
from hiergeo.search.serving.limits import Limits

CHUNK = 128
"""Pictures in one file."""

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

NOBODY = 0xFFFFFFFF
"""The number of the picture of an item without one."""

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
    if count > packing.MOST:
        raise InputError(
            f"a page without a server holds up to {packing.MOST:,} items and this collection has {count:,}: export an "
            f"index of some of them."
        )
    with atomic_folder(target) as scratch:
        files = _Files(scratch)
        album = _write(collection, files, progress)
        documents.write(scratch / RECORD, {"explorer": VERSION, "files": dict(sorted(files.sizes.items()))})
        files.sizes[RECORD] = (scratch / RECORD).stat().st_size
        check_target(target, overwrite)
    return Exported(target, count, len(files.sizes), sum(files.sizes.values()), len(album.pictures))


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
        held = base64.b64encode(zlib.compress(content)).decode()
        self.add(f"data/{name}.js", f'document.currentScript.held = "{held}";\n'.encode())

    def json(self, name: str, values: Any) -> None:
        self.data(name, written(values))


def _write(collection: Collection, files: _Files, progress: bool) -> "Album":
    items = read_items(collection.first.store, collection.tiers)
    labels = collection.first.store.labels(torch.from_numpy(items.ids))
    captions = [None if text is None else shortened(text, CAPTION) for text in labels.captions]
    said = [_said(collection.tiers, *label) for label in zip(captions, labels.images, strict=True)]
    files.json("items.json", {"ids": list(map(str, items.ids.tolist())), "captions": captions, "said": said})
    lenses = {}
    for lens in track(collection.lenses, "maps, audits and answers of spaces", enabled=progress):
        _write_lens(lens, collection, items.ids, files)
        lenses[lens.key] = {"margins": lens.background.margins.tolist()}
    _write_page(collection, files)
    begin("scaling pictures", enabled=progress)
    shown = np.array([image is not None for image in labels.images], bool)
    album = album_of(collection.pictures, items.ids[shown].tolist())
    for number, content in enumerate(album.files()):
        files.data(f"pictures/{number:03d}.bin", content)
    pictures = np.array([album.numbers.get(item, NOBODY) for item in items.ids.tolist()], "<u4")
    columns = pictures, items.tier.astype("i1"), shown.astype("u1")
    files.data("items.bin", b"".join(column.tobytes() for column in columns))
    stored = {
        "chunk": packing.CHUNK,
        "first": collection.lenses[0].key,
        "k": packing.K,
        "pictures": {"chunk": CHUNK, "type": "image/webp", "side": album.side} if album.pictures else None,
        "lenses": lenses,
    }
    described = collection.columns()
    for number, column in enumerate(described.columns):
        files.data(f"column-{number}.bin", column.bins.tobytes())
    facts = collection_facts(replace(collection, examples=()), Limits())
    files.json("collection.json", facts | {"columns": described.facts(), "stored": stored})
    return album


def _write_lens(lens: Lens, collection: Collection, ids: Ids, files: _Files) -> None:
    name = f"lens-{lens.key}"
    radius = lens.index.store.fetch(torch.from_numpy(ids)).radius(lens.space.geometry)
    files.data(f"{name}/items.bin", radius.numpy().astype("<f4").tobytes())
    drawn = build_map(lens, collection.tiers)
    files.json(f"{name}/map.json", drawn.facts())
    for level, x, y, _ in drawn.facts()["tiles"]:
        files.data(f"{name}/tiles/{level}-{x}-{y}.bin", drawn.tile(level, x, y))
    files.json(f"{name}/audit.json", survey_of(lens, collection.tiers, collection.hierarchy).as_dict())
    for number, content in enumerate(packing.packed_answers(lens, ids)):
        files.data(f"{name}/answers/{number:03d}.bin", content)


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


def _said(tiers: Tiers | None, caption: str | None, image: str | None) -> str | None:
    """The words that chains say of an item beside those of its caption; None where they say nothing of it."""
    words = None if tiers is None else tiers.said(caption, image)
    return None if words is None else " ".join(sorted(words - words_of(caption or "").keys()))


@dataclass(frozen=True)
class Album:
    """Small pictures.

    Attributes:
        numbers: of the pictures of items, by their ids; items of one file share a picture, the others have none.
        pictures: their bytes.
        side: longest side, pixels.
        quality: of WebP, in [0, 100].
    """

    numbers: dict[int, int]
    pictures: tuple[bytes, ...]
    side: int
    quality: int

    def files(self) -> Iterator[bytes]:
        """The files that hold them: how many and the end of each as uint32, little endian, then each as WebP."""
        for start in range(0, len(self.pictures), CHUNK):
            some = self.pictures[start : start + CHUNK]
            head = np.array([len(some), *accumulate(map(len, some))], "<u4")
            yield head.tobytes() + b"".join(some)


def album_of(thumbnails: Thumbnails | None, ids: Sequence[int]) -> Album:
    """The pictures of some items; those whose picture may not be shown or cannot be read are left out."""
    shown: dict[Path, list[int]] = {}
    if thumbnails is None:
        return Album({}, (), 0, 0)
    for item in ids:
        path = thumbnails.path(item)
        if path is not None:
            shown.setdefault(path, []).append(item)
    side, quality = next(size for most, *size in SIZES if len(shown) <= most)
    numbers: dict[int, int] = {}
    pictures: list[bytes] = []
    for group in shown.values():
        with suppress(InputError):
            pictures.append(_small(thumbnails.jpeg(group[0], SIDES[-1]), side, quality))
            numbers |= dict.fromkeys(group, len(pictures) - 1)
    return Album(numbers, tuple(pictures), side, quality)


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
