"""The embedding file: an ``.npz`` of texts, images and the root, checked in full before anything uses it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiergeo.adapters._base import check_rows
from hiergeo.errors import InputError
from hiergeo.storage import archives
from hiergeo.storage.archives import Array, Arrays

NEEDED = {"text": Array("f", (2, 3)), "caption": Array("U", (1, 2)), "root": Array("f", (1,))}
IMAGES = {"image": Array("f", (2,), required=False), "image_id": Array("iu", (1,), required=False)}


@dataclass(frozen=True)
class Embeddings:
    """Embeddings as they are stored: of any norm but zero, in the floating dtype of the file.

    Attributes:
        text: (n, dim), row i that of ``caption[i]``.
        caption: n stripped strings, repeats allowed.
        root: (1, dim), that of the empty caption.
        image: (m, dim), row j that of ``image_id[j]``; None in a file without images.
        image_id: m COCO ids.
    """

    text: Tensor
    caption: list[str]
    root: Tensor
    image: Tensor | None
    image_id: list[int]


def read(path: Path) -> Embeddings:
    """Read an embedding file.

    Raises:
        InputError: the file is missing, damaged, altered, holds pickled objects, lacks an array, or has arrays of wrong
            shape or type or with rows that are not finite or zero.
    """
    stored = archives.read(path, NEEDED | IMAGES)
    if ("image" in stored) != ("image_id" in stored):
        raise InputError(f"{path} has only one of 'image' and 'image_id': it needs both or neither.")
    text, caption, root = stored.pop("text"), stored.pop("caption"), stored.pop("root")
    _require(text.size > 0, path, f"'text' has shape {text.shape}, not (n, 4, dim) or (n, dim)")
    _require_shape(path, "caption", caption, text.shape[:-1])
    dim = text.shape[-1]
    _require_shape(path, "root", root, (dim,))
    texts = _checked(text.reshape(-1, dim), f"the text embeddings of {path}")
    roots = _checked(root[None], f"the root embeddings of {path}")
    image, image_id = _images(path, stored, dim)
    return Embeddings(texts, [words.strip() for words in caption.ravel().tolist()], roots, image, image_id)


def _images(path: Path, arrays: Arrays, dim: int) -> tuple[Tensor | None, list[int]]:
    if "image" not in arrays:
        return None, []
    image, image_id = arrays["image"], arrays["image_id"]
    _require(image.size > 0, path, f"'image' has shape {image.shape}, not (m, {dim})")
    _require_shape(path, "image", image, (len(image), dim))
    _require_shape(path, "image_id", image_id, (len(image),))
    return _checked(image, f"the image embeddings of {path}"), image_id.tolist()


def _checked(rows: NDArray[np.generic], what: str) -> Tensor:
    tensor = torch.from_numpy(rows)
    check_rows(tensor, what)
    return tensor


def _require_shape(path: Path, name: str, array: NDArray[np.generic], shape: tuple[int, ...]) -> None:
    _require(array.shape == shape, path, f"'{name}' has shape {array.shape} where {shape} fits the other arrays")


def _require(condition: bool, path: Path, defect: str) -> None:
    if not condition:
        raise InputError(f"{path} is no embedding file: {defect}.")
