"""Models whose embeddings are kept on disk by the hash of their content, shared by spaces, heads and processes."""

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError, warn
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo.adapters.head import HeadModel
from hiergeo.adapters.model import Model
from hiergeo.adapters.npz import NpzModel
from hiergeo.datasets.hierarchy import ImageRef
from hiergeo.datasets.pictures import ImageLike, open_rgb

ENTRY = {"rows": Array("f", (2,)), "key": Array("U", (0,))}


def cached(model: Model, folder: Path, image_key: Callable[[ImageLike], str] | None = None) -> Model:
    """A copy of the model that embeds each batch once: later calls, of any process, read its rows from a folder.

    Of a head the embeddings of the model that it stands on are kept. Stored embeddings (``npz:``) are there already,
    and the model is returned as it is. Several models and processes can share a folder.

    Args:
        model: that embeds.
        folder: of the rows.
        image_key: what tells images apart, all that were ever embedded into the folder; None are their pixels.
    """
    if isinstance(model, HeadModel):
        return HeadModel(cached(model.base, folder, image_key), model.head, model.name, model.trained_in)
    if isinstance(model, NpzModel):
        return model
    made, rows = copy.copy(model), _Rows(model, folder, image_key)
    vars(made).update(text_rows=rows.of_texts, image_rows=rows.of_images)
    return made


@final
class _Rows:
    """The rows of a model, batch by batch, in float32 as the network gives them.

    The key of a batch is the hash of the model's fingerprint, its preprocessing, the kind and the content of every item
    in order, and the dtype of the rows, so that rows do not depend on what was embedded before.
    """

    def __init__(self, model: Model, folder: Path, image_key: Callable[[ImageLike], str] | None) -> None:
        self._model, self._folder = model, folder
        self._image_key = image_key or _image_hash
        self._identity = [model.fingerprint(), model.preprocessing]

    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """(B, dim), as `Model.text_rows`."""
        return self._rows("text", list(texts), texts, self._model.text_rows)

    def of_images(self, images: Sequence[ImageLike]) -> Tensor:
        """(B, dim), as `Model.image_rows`."""
        return self._rows("image", list(map(self._image_key, images)), images, self._model.image_rows)

    def _rows(self, kind: str, content: list[str], items: Sequence[Any], compute: Callable[..., Tensor]) -> Tensor:
        key = hashlib.sha256(json.dumps([*self._identity, kind, "float32", content]).encode()).hexdigest()
        path = self._folder / key[:2] / f"{key[2:]}.npz"
        if (stored := _stored(path, key, len(items))) is not None:
            return stored
        made = compute(items)
        rows = made.detach().to("cpu", torch.float32)
        if rows.ndim != 2 or len(rows) != len(items) or not rows.isfinite().all():
            return made  # the caller refuses it, and nothing is kept
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        archives.write(path, {"rows": rows.numpy(), "key": np.array(key)})
        return rows


def _stored(path: Path, key: str, count: int) -> Tensor | None:
    """The rows of an entry on disk; None where there is none, or a damaged one."""
    if not path.exists():
        return None
    try:
        entry = archives.read(path, ENTRY)
        if str(entry["key"]) != key or len(entry["rows"]) != count or entry["rows"].dtype != "float32":
            raise InputError(f"{path} holds other embeddings than its name says.")
    except HiergeoError as error:
        warn(f"an entry of the embedding cache is damaged and is computed again: {error}")
        return None
    return torch.from_numpy(entry["rows"])


def _image_hash(image: ImageLike) -> str:
    """The hash of an image's pixels; that of a dataset's image is remembered with it."""
    if not isinstance(image, ImageRef):
        return _pixels_hash(image)
    if "pixels" not in image.hashes:
        image.hashes["pixels"] = _pixels_hash(image)
    return image.hashes["pixels"]


def _pixels_hash(image: ImageLike) -> str:
    picture = open_rgb(image)
    return hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()
