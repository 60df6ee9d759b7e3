"""Images with several captions each: COCO folders, Karpathy's splits, own tables, stored embeddings and scenes."""

import glob
from pathlib import Path

from hiergeo._core.errors import unknown_name
from hiergeo._core.storage.files import path_of
from hiergeo.datasets.captioned.coco import coco_folder, karpathy
from hiergeo.datasets.captioned.collection import Captioned
from hiergeo.datasets.captioned.own import caption_table
from hiergeo.datasets.captioned.stored import FLICKR8K, scene_captions, scene_parts, stored_captions
from hiergeo.datasets.download import data_home

__all__ = [
    "SOURCES",
    "Captioned",
    "caption_table",
    "coco_folder",
    "karpathy",
    "load_captioned",
    "scene_captions",
    "scene_parts",
    "stored_captions",
]

SOURCES = ("coco", "scenes", "clip_flickr8k")
"""Sources that are known by name."""


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
