"""SugarCrepe: images, each with a true caption and a foil that changes one part of it."""

from pathlib import Path
from typing import NamedTuple

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import Foreign
from hiergeo._core.storage.files import path_of
from hiergeo.datasets import scenes
from hiergeo.datasets.captioned import Name
from hiergeo.datasets.download import data_home
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import file_ref

FOLDER = Path("sugarcrepe")
"""Folder of the categories in the data home."""

CATEGORIES = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")


class Foiled(NamedTuple):
    """An image with a caption that is true of it and one that is not."""

    category: str
    image: ImageRef
    caption: str
    foil: str


class _Item(Foreign):
    filename: Name
    caption: str
    negative_caption: str


def load_sugarcrepe(
    source: str | Path | None = None, images: str | Path | None = None, *, take: int | None = None
) -> tuple[Foiled, ...]:
    """Read the items of every category; those of one image share its reference.

    Args:
        source: a folder of ``CATEGORY.json`` files, each an object of numbers -> ``{"filename": ..., "caption": ...,
            "negative_caption": ...}``; `FOLDER` in the data home by default; or ``scenes``, generated pictures with the
            most specific caption of either chain.
        images: the folder of the images, by default COCO's ``coco/val2017`` in the data home.
        take: only the first items of each category.

    Raises:
        UnavailableError: a file of the seven is missing.
        InputError: a file is not such an object, or it is empty.

    Source: Hsieh et al., SugarCrepe (NeurIPS 2023).
    """
    if source == "scenes":
        made = scenes.load("test") if take is None else scenes.load("test", count=take)
        pairs = zip(made.images, made.rows, strict=True)
        return tuple(Foiled("scenes", ref, row.positive[-1], row.negative[-1]) for ref, row in pairs if row.negative)
    folder = data_home() / FOLDER if source is None else path_of(source)
    pictures = data_home() / "coco" / "val2017" if images is None else path_of(images)
    refs: dict[str, ImageRef] = {}
    foiled = []
    for category in CATEGORIES:
        path = folder / f"{category}.json"
        if not path.is_file():
            raise UnavailableError(
                f"{path} is not there: run `hiergeo data fetch sugarcrepe`, or put the seven files of SugarCrepe there."
            )
        items = documents.read(path, dict[str, _Item])
        if not items:
            raise InputError(f"{path} holds no items.")
        for item in list(items.values())[:take]:
            ref = refs.setdefault(item.filename, file_ref(len(refs), pictures / item.filename))
            foiled.append(Foiled(category, ref, item.caption.strip(), item.negative_caption.strip()))
    return tuple(foiled)
