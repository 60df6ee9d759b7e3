"""Captioned images by name or path: a user's files, those whose embeddings are stored, and scenes."""

import glob
import re
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from hiergeo._core import limits
from hiergeo._core.errors import InputError, UnavailableError, unknown_name
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.files import path_of
from hiergeo.datasets import scenes
from hiergeo.datasets.captioned.coco import coco_folder, karpathy
from hiergeo.datasets.captioned.sets import Captioned, stripped
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import decoded, file_ref
from hiergeo.datasets.reading import Columns, Sample, sound

SOURCES = ("coco", "scenes", "clip_flickr8k")
"""Sources that are known by name."""

FLICKR8K = Path("clip_flickr8k") / "flickr8k100_clip_vitb32.npz"
"""Path in the data home of the embeddings of 100 Flickr8k images and their 500 captions by CLIP ViT-B/32."""

PHRASE = re.compile(r" (?=(?:left of|right of|above|below|in the|on a) )")
"""Where a phrase begins in the caption of a scene."""


def load_captioned(
    source: str | Path = "coco",
    split: str | None = None,
    images: str | Path | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
) -> Captioned:
    """A set of captioned images.

    Args:
        source: ``coco`` (the folder ``coco`` of the data home), ``scenes``, ``clip_flickr8k`` (the stored embeddings in
            the data home); or a path: a COCO folder, a file of Karpathy's splits (``.json``), stored embeddings
            (``.npz``), or a file, a folder or a pattern of what `hiergeo.datasets.reading` reads.
        split: ``val2017`` by default in COCO folders, ``test`` elsewhere; other files have none.
        images: the folder of the images, where it is not beside the captions.
        image_column: of a table; None is the usual one.
        caption_column: of a table; None is the usual one.

    Raises:
        UnavailableError: the data is not there; the message says how to get it.
        InputError: the data is damaged, or the source is of an unknown kind.
    """
    folder = None if images is None else path_of(images)
    if source == "scenes":
        return scene_captions(split or "test")
    if source == "clip_flickr8k":
        return stored_captions(data_home() / FLICKR8K, "clip_flickr8k")
    path = data_home() / "coco" if source == "coco" else path_of(source)
    within = (path / (split or "val2017"), path / "annotations")
    if source == "coco" or any(each.is_dir() for each in within):
        return coco_folder(path, split or "val2017", folder)
    if not path.suffix and not path.exists() and not glob.has_magic(path.name):
        raise unknown_name("source of captions", str(source), SOURCES)
    if path.suffix == ".json":
        return karpathy(path, split or "test", folder)
    if path.suffix == ".npz":
        return stored_captions(path)
    return caption_table(path, folder, image_column, caption_column)


def caption_table(
    path: Path,
    images: Path | None = None,
    image_column: str | None = None,
    caption_column: str | None = None,
    *,
    once: bool = False,
) -> Captioned:
    """Images and captions of a file, a folder or a pattern of files.

    Every row has an image and a caption; JSON Lines and Parquet may have a list of captions in its place. Rows of the
    same image give it several captions. Images get ids by order of appearance, from 0. Those inside Parquet files and
    archives are held in memory as they are, at most `limits.DOWNLOAD_BYTES` of them.

    Args:
        path: of what `hiergeo.datasets.reading` reads.
        images: the folder that names of images in tables are relative to; by default that of the file.
        image_column: the column or key of the image; None is the usual one.
        caption_column: the column or key of the caption or captions; None is the usual one.
        once: refuse an image that two rows name, instead of giving it the captions of both.

    Raises:
        InputError: there is no such file, a column that is missing or there twice, one column for both, or a row
            without an image or a caption; the file and the row are named.
    """
    seen: dict[Path | bytes, tuple[ImageRef, list[str]]] = {}
    size = 0
    for row in sound(path, Columns("pairs", caption_column, image_column, folder=images, several=True)):
        image = row.image if isinstance(row.image, Path) else sha256(row.image or b"").digest()
        if image not in seen:
            seen[image] = _image(len(seen), row), []
            size += len(row.image) if isinstance(row.image, bytes) else 0
        elif once:
            where = f"{path}, row {row.row} (the first is 0)"
            raise InputError(f"{where}: an earlier row has {row.name} already: give each image one row.")
        if size > limits.DOWNLOAD_BYTES:
            raise InputError(f"the images inside {path} have more than {limits.DOWNLOAD_BYTES:,} bytes: unpack it.")
        seen[image][1].extend(each for each in (row.caption, *row.others) if each is not None)
    if not seen:
        raise InputError(f"{path} holds no images and captions: name a file, a folder or a pattern that does.")
    refs, captions = zip(*seen.values(), strict=True)
    return Captioned(path.stem, "all", f"own data, {path.name}", refs, tuple(map(stripped, captions)))


def _image(number: int, row: Sample) -> ImageRef:
    if isinstance(row.image, Path):
        return file_ref(number, row.image)
    return ImageRef(number, partial(decoded, row.image or b""))


def stored_captions(path: Path, name: str | None = None) -> Captioned:
    """The images and captions whose embeddings are in an ``.npz`` file, to be measured by ``npz:FILE`` on that file.

    Args:
        path: a file with ``caption`` (m,) strings, ``text_image`` (m,) the position of the image of each caption, and
            ``image_id`` (n,) integers or names of files without ending.
        name: what the set is called; by default the name of the file.

    Raises:
        UnavailableError: there is no such file.
        InputError: the file is damaged, or its arrays do not fit each other.
    """
    if not path.is_file():
        raise UnavailableError(f"{path} is not there: put the embeddings there, or name another file.")
    wanted = {"caption": Array("U", (1,)), "text_image": Array("iu", (1,)), "image_id": Array("iuU", (1,))}
    stored = archives.read(path, wanted)
    keys, owner = stored["image_id"].tolist(), stored["text_image"].tolist()
    captions: list[list[str]] = [[] for _ in keys]
    if len(owner) != len(stored["caption"]) or not all(0 <= index < len(keys) for index in owner):
        raise InputError(f"{path}: 'text_image' must give each caption a position among the {len(keys)} images.")
    for index, caption in zip(owner, stored["caption"].tolist(), strict=True):
        captions[index].append(caption.strip())
    return Captioned(
        name or path.stem,
        "all",
        f"stored embeddings, {path.name}",
        tuple(
            file_ref(index, path.parent / f"{key}.jpg")
            if isinstance(key, str)
            else file_ref(key, path.parent / f"{key:012d}.jpg")
            for index, key in enumerate(keys)
        ),
        tuple(map(tuple, captions)),
    )


def scene_captions(split: str = "test", count: int | None = None) -> Captioned:
    """Scenes with their most specific caption each: licence-free data for demonstrations and tests."""
    hierarchy = scenes.load(split, count=count)
    captions = tuple((row.positive[-1],) for row in hierarchy.rows)
    return Captioned("scenes", split, f"scenes {split}", hierarchy.images, captions)


def scene_parts(split: str = "test", count: int | None = None) -> Captioned:
    """Scenes with the phrases of their most specific caption: first shape, second shape or spot, and background."""
    plain = scene_captions(split, count)
    return replace(plain, captions=tuple(tuple(PHRASE.split(caption)) for (caption,) in plain.captions))
