"""Models whose embeddings are stored on disk by the hash of their content, shared by spaces, heads and processes."""

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

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

    Of a head the embeddings of the model that it stands on are stored. Stored embeddings (``npz:``) are there already,
    and the model is returned as it is. Several models and processes can share a folder. The key of a batch is the hash
    of the model's fingerprint, its preprocessing, the kind and the content of every item in order, and the dtype of the
    rows, so that rows do not depend on what was embedded before.

    Args:
        model: that embeds.
        folder: of the rows, in float32 as the network gives them.
        image_key: what tells images apart, all that were ever embedded into the folder; None are their pixels.
    """
    if isinstance(model, HeadModel):
        return HeadModel(cached(model.base, folder, image_key), model.head, model.name, model.trained_in)
    if isinstance(model, NpzModel):
        return model
    identity = [model.fingerprint(), model.preprocessing]
    made, key_of = copy.copy(model), image_key or _image_hash

    def rows(kind: str, compute: Callable[..., Tensor], items: Sequence[Any]) -> Tensor:
        content = list(items) if kind == "text" else list(map(key_of, items))
        key = hashlib.sha256(json.dumps([*identity, kind, "float32", content]).encode()).hexdigest()
        return _rows(folder / key[:2] / f"{key[2:]}.npz", key, items, compute)

    vars(made).update(
        text_rows=partial(rows, "text", model.text_rows), image_rows=partial(rows, "image", model.image_rows)
    )
    return made


def _rows(path: Path, key: str, items: Sequence[Any], compute: Callable[..., Tensor]) -> Tensor:
    """The rows of an entry on disk, which is made where there is none, or a damaged one."""
    if path.exists():
        try:
            entry = archives.read(path, ENTRY)
            if str(entry["key"]) == key and len(entry["rows"]) == len(items) and entry["rows"].dtype == "float32":
                return torch.from_numpy(entry["rows"])
            raise InputError(f"{path} holds other embeddings than its name says.")
        except HiergeoError as error:
            warn(f"an entry of the embedding cache is damaged and is computed again: {error}")
    made = compute(items)
    rows = made.detach().to("cpu", torch.float32)
    if rows.ndim != 2 or len(rows) != len(items) or not rows.isfinite().all():
        return made  # the caller refuses it, and nothing is stored
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    archives.write(path, {"rows": rows.numpy(), "key": np.array(key)})
    return rows


def _image_hash(image: ImageLike) -> str:
    """The hash of an image's pixels; that of a dataset's image is remembered with it."""
    hashes = image.hashes if isinstance(image, ImageRef) else {}
    if "pixels" not in hashes:
        picture = open_rgb(image)
        hashes["pixels"] = hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()
    return hashes["pixels"]
