"""Files of embeddings made into indexes: once, in the cache, under a name that says what is in the file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hiergeo import search
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo._core.storage.files import sha256, size_of
from hiergeo.report.explorer.cache import kept
from hiergeo.report.explorer.thumbnails import NUMBERED
from hiergeo.search.stored import Stored, read_stored

LAYOUT = 1
"""Of the indexes that are made; another number makes them anew."""

IMAGES = {
    "text": Array("f", (2, 3)),
    "image": Array("f", (2,), required=False),
    "image_id": Array("iuU", (1,), required=False),
}


def index_of(file: Path) -> Path:
    """The folder of the index of an ``.npz`` of embeddings as ``hiergeo embed`` writes it; made if it is not there yet.

    Captions that are there several times are one item, with the first of their embeddings; ids count from 0. The images
    of the file are items after them, without captions, known by their ``image_id``.

    Raises:
        UnavailableError: there is no such file, or the cache cannot be written.
        InputError: it is damaged, or its arrays do not fit each other.
    """
    if size_of(file) is None:
        raise UnavailableError(f"there is no file {file}: name an .npz of embeddings, as 'hiergeo embed' writes it.")
    return kept(f"npz-{LAYOUT}-{sha256(file)}", lambda folder: _build(file, folder)) / "index"


def _build(file: Path, folder: Path) -> None:
    stored = distinct(read_stored(file))
    images, references = _images(file, stored.embeddings.shape[1])
    index = search.build(folder / "index", None, embeddings=stored)
    if images is not None:
        index.add(embeddings=images, images=references)


def distinct(stored: Stored) -> Stored:
    """The same with every caption once, in order of their first appearance."""
    if stored.captions is None:
        return stored
    first: dict[str, int] = {}
    for row, caption in enumerate(stored.captions):
        first.setdefault(caption, row)
    return replace(stored, captions=list(first), embeddings=stored.embeddings[list(first.values())])


def _images(file: Path, dim: int) -> tuple[Tensor | None, list[str | Path]]:
    """The embeddings (m, D) of the images of a file, None for a file without, and what an index calls each of them.

    An image is known by a number or by the name of a file without its ending.
    """
    arrays = archives.read(file, IMAGES)
    images, ids = arrays.get("image"), arrays.get("image_id")
    if images is None or not len(images):
        return None, []
    if ids is None or len(ids) != len(images) or images.shape[1] != dim:
        raise InputError(f"{file}: 'image' {images.shape} must have the dimension of the texts and an 'image_id' each.")
    names = [f"{NUMBERED}{each}" if isinstance(each, int) else f"{each}.jpg" for each in ids.tolist()]
    return torch.from_numpy(np.array(images)).float(), list(names)
