"""Captioned images that need no image files: those whose embeddings are stored, and scenes."""

import re
from dataclasses import replace
from pathlib import Path

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo.datasets import scenes
from hiergeo.datasets.captioned.collection import Captioned, file_ref

FLICKR8K = Path("clip_flickr8k") / "flickr8k100_clip_vitb32.npz"
"""Path in the data home of the embeddings of 100 Flickr8k images and their 500 captions by CLIP ViT-B/32."""

PHRASE = re.compile(r" (?=(?:left of|right of|above|below|in the|on a) )")
"""Where a phrase begins in the caption of a scene."""


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
    held = archives.read(path, wanted)
    keys, owner = held["image_id"].tolist(), held["text_image"].tolist()
    captions: list[list[str]] = [[] for _ in keys]
    if len(owner) != len(held["caption"]) or not all(0 <= place < len(keys) for place in owner):
        raise InputError(f"{path}: 'text_image' must give each caption a position among the {len(keys)} images.")
    for place, caption in zip(owner, held["caption"].tolist(), strict=True):
        captions[place].append(caption.strip())
    return Captioned(
        name or path.stem,
        "all",
        f"stored embeddings, {path.name}",
        tuple(
            file_ref(place, path.parent / f"{key}.jpg")
            if isinstance(key, str)
            else file_ref(key, path.parent / f"{key:012d}.jpg")
            for place, key in enumerate(keys)
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
