"""A model whose embeddings are kept on disk by the hash of their content, shared by cells, spaces and heads."""

import hashlib
import json
import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np
import torch
from torch import Tensor

from hiergeo._core.errors import HiergeoError, InputError, warn
from hiergeo._core.storage import archives
from hiergeo._core.storage.archives import Array
from hiergeo.adapters import ImageLike, Model
from hiergeo.adapters.head import HeadModel
from hiergeo.adapters.npz import NpzModel
from hiergeo.datasets import ImageRef
from hiergeo.datasets.pictures import open_rgb
from hiergeo.geometry import Space

Item = TypeVar("Item", str, ImageLike)

MEMORY = 1 << 28
"""Bytes of embeddings that a cached model holds in memory besides those on disk."""

IMAGES = 1 << 16
"""Images whose content hashes are held in memory."""

ENTRY = {"rows": Array("f", (2,)), "key": Array("U", (0,))}


def cached(model: Model, folder: Path) -> Model:
    """The model with its embeddings kept in a folder; of a head those of the model that it stands on.

    Stored embeddings (``npz:``) are there already, and the model is returned as it is.
    """
    if isinstance(model, HeadModel):
        return HeadModel(cached(model.base, folder), model.head, model.name, model.trained_in)
    return model if isinstance(model, NpzModel | Cached) else Cached(model, folder)


@final
class Cached(Model):
    """A model that computes each batch once: later calls, of this process or another, read its rows from a folder.

    The key of a batch is the hash of the model's fingerprint, its preprocessing, the kind and the content of every item
    in order, and the dtype of the rows, so that rows do not depend on what was embedded before. Rows are kept in
    float32 as the network gives them; norms and dtypes are applied as by the model itself. What the model has besides
    the interface of `Model` is found here too.

    Args:
        model: what embeds.
        folder: of the entries; several models and processes can share it.
        memory: bytes of rows that are held in memory.
    """

    def __init__(self, model: Model, folder: Path, memory: int = MEMORY) -> None:
        self.base, self.folder, self.memory = model, folder, memory
        self.name, self.has_images, self.preprocessing = model.name, model.has_images, model.preprocessing
        self.normalised, self.text_batch, self.image_batch = model.normalised, model.text_batch, model.image_batch
        self._fingerprint = model.fingerprint()
        self._held: OrderedDict[str, Tensor] = OrderedDict()
        self._images: OrderedDict[int, tuple[ImageRef, str]] = OrderedDict()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "base":
            raise AttributeError(name)
        return getattr(self.base, name)

    def fingerprint(self) -> str:
        return self._fingerprint

    def native_space(self) -> Space | None:
        return self.base.native_space()

    @property
    def dim(self) -> int:
        return self.base.dim

    def root(self, device: str | torch.device | None = None, dtype: str | torch.dtype | None = None) -> Tensor:
        return self.base.root(device, dtype)

    def check_texts(self, texts: Sequence[str]) -> None:
        self.base.check_texts(texts)

    def check_images(self, images: Sequence[ImageLike]) -> None:
        self.base.check_images(images)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        return self._rows("text", list(texts), texts, self.base.text_rows)

    def image_rows(self, images: Sequence[ImageLike]) -> Tensor:
        return self._rows("image", [self._image_hash(image) for image in images], images, self.base.image_rows)

    def _rows(self, kind: str, content: list[str], items: Sequence[Item], compute: Callable[..., Tensor]) -> Tensor:
        told = [self._fingerprint, self.preprocessing, kind, "float32", content]
        key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        rows = self._held.get(key)
        if rows is None:
            rows = self._stored(key, len(items))
        if rows is None:
            made = compute(items)
            rows = made.detach().to("cpu", torch.float32)
            if rows.ndim != 2 or len(rows) != len(items) or not rows.isfinite().all():
                return made  # the caller refuses it, and nothing is kept
            path = self._path(key)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            archives.write(path, {"rows": rows.numpy(), "key": np.array(key)})
        self._hold(key, rows)
        return rows

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}.npz"

    def _stored(self, key: str, count: int) -> Tensor | None:
        """The rows of an entry on disk; None where there is none, or a damaged one."""
        path = self._path(key)
        if not path.exists():
            return None
        try:
            held = archives.read(path, ENTRY)
            if str(held["key"]) != key or len(held["rows"]) != count or held["rows"].dtype != "float32":
                raise InputError(f"{path} holds other embeddings than its name says.")
        except HiergeoError as error:
            warn(f"an entry of the embedding cache is damaged and is computed again: {error}")
            return None
        return torch.from_numpy(held["rows"])

    def _hold(self, key: str, rows: Tensor) -> None:
        self._held[key] = rows
        self._held.move_to_end(key)
        total = sum(each.nbytes for each in self._held.values())
        while total > self.memory and len(self._held) > 1:
            total -= self._held.popitem(last=False)[1].nbytes

    def _image_hash(self, image: ImageLike) -> str:
        """The hash of an image's pixels; that of a dataset's image is remembered while the reference lives here."""
        if not isinstance(image, ImageRef):
            return _pixels_hash(image)
        known = self._images.get(id(image))
        if known is None:
            known = self._images[id(image)] = (image, _pixels_hash(image))
            if len(self._images) > IMAGES:
                self._images.popitem(last=False)
        return known[1]


def _pixels_hash(image: ImageLike) -> str:
    picture = open_rgb(image)
    return hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()
